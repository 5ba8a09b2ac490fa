//! What a file says of a service: which requests make, try and end a credential of it.

use super::template::{Known, Language};
use crate::rotators::OwnSecrets;
use reqwest::{Method, header::HeaderName};
use serde::Deserialize;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

/// A whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Description {
    /// Whether the service can hold two credentials at once.
    #[serde(default = "yes")]
    pub(super) overlaps: bool,
    /// Whether a credential is left to its own end instead of being ended.
    #[serde(default)]
    pub(super) ends_by_itself: bool,
    /// PEM of the authorities of the service's certificate.
    pub(super) ca_file: Option<PathBuf>,
    /// Texts that templates can name.
    #[serde(default)]
    pub(super) values: BTreeMap<String, String>,
    pub(super) mint: Step,
    pub(super) set: Option<Step>,
    pub(super) test: Step,
    pub(super) revoke: Option<Step>,
    pub(super) withdraw: Option<Step>,
}

/// As the rotator `random` takes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Random {
    pub(super) length: Option<u64>,
    pub(super) alphabet: Option<String>,
    pub(super) prefix: Option<String>,
}

/// JSON pointers into an answer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Take {
    pub(super) value: Taken,
    /// A time, or seconds since 1970.
    pub(super) expires_at: Option<String>,
    /// Seconds from now.
    pub(super) expires_in: Option<String>,
    pub(super) handle: Option<String>,
}

/// One text; or several, which become one JSON object.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Taken {
    One(String),
    Several(BTreeMap<String, String>),
}

/// One request, and what its answer means.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    method: Option<String>,
    url: Option<String>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Option<String>,
    /// Status codes of an answer that is well; none: 200 to 299.
    #[serde(default)]
    pub(super) expect: BTreeSet<u16>,
    /// What has to stand in the answer.
    #[serde(default)]
    pub(super) require: Signs,
    /// What of it says that the credential has ended already.
    #[serde(default)]
    pub(super) ended: Signs,
    /// What of it says that it may be otherwise the next time.
    #[serde(default)]
    pub(super) retry: Signs,
    /// Of a mint: what of the answer is the credential.
    pub(super) take: Option<Take>,
    /// Of a mint: whether the service answers one `Idempotency-Key` alike each time.
    #[serde(default)]
    pub(super) repeatable: bool,
    /// Of a mint: made here, and nobody is asked.
    pub(super) random: Option<Random>,
}

/// JSON pointers into an answer, with what may stand there.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Signs(BTreeMap<String, Sign>);

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Sign {
    Several(Vec<Value>),
    One(Value),
}

impl Description {
    /// Reads a file. An error says where it is wrong, and repeats nothing but the file's own keys.
    pub(super) fn read(text: &str, language: &Language, own: &OwnSecrets) -> Result<Self, String> {
        let description: Self = toml::from_str(text).map_err(|error| {
            let before = error.span().map_or("", |span| &text[..span.start]);
            let line = before.matches('\n').count() + 1;
            let what = error.message().lines().next().unwrap_or("is no TOML");
            format!("line {line}: {}", what.chars().take(WHY_CHARS_MAX).collect::<String>())
        })?;
        description.check(language, own)?;
        Ok(description)
    }

    fn check(&self, language: &Language, own: &OwnSecrets) -> Result<(), String> {
        if self.values.len() > ENTRIES_MAX {
            return Err(format!("[values] has more than {ENTRIES_MAX} entries"));
        }
        match (&self.mint.url, &self.mint.take, &self.mint.random) {
            (Some(_), Some(take), None) => take.check()?,
            (None, None, Some(_)) if self.mint.asks_nobody() => {}
            _ => return Err("[mint] needs a request and `take`, or `random` alone".to_owned()),
        }
        if self.mint.random.is_some() && self.set.is_none() {
            return Err("a credential that is made at random needs a [set]".to_owned());
        }
        match (&self.revoke, self.ends_by_itself) {
            (None, false) => {
                return Err("it needs a [revoke], or `ends_by_itself = true`".to_owned());
            }
            (Some(_), true) => return Err("it has a [revoke], and `ends_by_itself`".to_owned()),
            _ => {}
        }
        if !self.overlaps && self.withdraw.is_none() {
            let why = "without `overlaps` it needs a [withdraw], which sets the old one again";
            return Err(why.to_owned());
        }
        let steps = [
            ("mint", Some(&self.mint).filter(|it| it.random.is_none()), &["old"][..]),
            ("set", self.set.as_ref(), &["old", "new"]),
            ("test", Some(&self.test), &["credential"]),
            // Not `old`: it is made with the new one too, where a rotation is taken back.
            ("revoke", self.revoke.as_ref(), &["credential"]),
            ("withdraw", self.withdraw.as_ref(), &["old", "new"]),
        ];
        for (name, step, credentials) in steps {
            let Some(step) = step else { continue };
            step.check(name, language, &Known { credentials, own, values: &self.values })?;
            let ends = ["revoke", "withdraw"].contains(&name);
            if !ends && !step.ended.is_empty() {
                return Err(format!("[{name}] ends nothing, and has `ended`"));
            }
            let makes = step.take.is_some() || step.random.is_some() || step.repeatable;
            if makes && name != "mint" {
                return Err(format!("[{name}] makes nothing: `take` and the like are of [mint]"));
            }
        }
        Ok(())
    }
}

impl Take {
    fn check(&self) -> Result<(), String> {
        let several = match &self.value {
            Taken::One(pointer) => vec![pointer],
            Taken::Several(parts) if (1..=ENTRIES_MAX).contains(&parts.len()) => {
                parts.values().collect()
            }
            Taken::Several(_) => return Err("[mint.take] has no `value`, or too many".to_owned()),
        };
        let others = [&self.expires_at, &self.expires_in, &self.handle];
        for pointer in several.into_iter().chain(others.into_iter().flatten()) {
            check_pointer("mint.take", pointer)?;
        }
        if self.expires_at.is_some() && self.expires_in.is_some() {
            return Err("[mint.take] has both `expires_at` and `expires_in`".to_owned());
        }
        Ok(())
    }
}

impl Step {
    pub(super) fn method(&self) -> Option<Method> {
        let named = self.method.as_deref()?;
        METHODS.iter().find(|it| it.as_str() == named).cloned()
    }

    pub(super) fn url(&self) -> &str {
        self.url.as_deref().unwrap_or_default()
    }

    /// Whether nothing is said of a request.
    fn asks_nobody(&self) -> bool {
        let silent = self.method.is_none() && self.url.is_none() && self.body.is_none();
        let deaf = self.require.is_empty() && self.ended.is_empty() && self.retry.is_empty();
        silent && deaf && self.headers.is_empty() && self.expect.is_empty() && !self.repeatable
    }

    /// Whether a status is one of those that are well.
    pub(super) fn expects(&self, status: u16) -> bool {
        match self.expect.is_empty() {
            true => (200..300).contains(&status),
            false => self.expect.contains(&status),
        }
    }

    fn check(&self, name: &str, language: &Language, known: &Known<'_>) -> Result<(), String> {
        if self.method().is_none() {
            let methods = METHODS.map(|it| it.to_string()).join(", ");
            return Err(format!("[{name}] needs a `method`, one of {methods}"));
        }
        if self.url.is_none() {
            return Err(format!("[{name}] needs a `url`"));
        }
        if self.headers.len() > HEADERS_MAX {
            return Err(format!("[{name}] has more than {HEADERS_MAX} headers"));
        }
        if self.expect.iter().any(|status| !(100..600).contains(status)) {
            return Err(format!("[{name}] expects a status that is none"));
        }
        for header in self.headers.keys() {
            let read = HeaderName::from_bytes(header.as_bytes());
            let wrong = |why: &str| format!("[{name}] has the header {header:?}, which {why}");
            let read = read.map_err(|_| wrong("is none"))?;
            if OURS.contains(&read.as_str()) {
                return Err(wrong("is not its own to set"));
            }
        }
        for pointer in [&self.require, &self.ended, &self.retry].iter().flat_map(|it| it.0.keys()) {
            check_pointer(name, pointer)?;
        }
        let templates = self.url.iter().map(|url| ("url", url));
        let templates = templates.chain(self.body.iter().map(|body| ("body", body)));
        for (key, template) in templates.chain(self.headers.values().map(|it| ("headers", it))) {
            let checked = language.check(template, known);
            checked.map_err(|why| format!("the template [{name}] {key} {why}"))?;
        }
        Ok(())
    }
}

impl Signs {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether any of them stands in an answer.
    pub(super) fn any(&self, json: &Value) -> bool {
        self.0.iter().any(|(pointer, sign)| sign.is(json.pointer(pointer)))
    }

    /// The first pointer at which none of them stands in an answer.
    pub(super) fn missing(&self, json: &Value) -> Option<&str> {
        let missing = self.0.iter().find(|(pointer, sign)| !sign.is(json.pointer(pointer)));
        missing.map(|(pointer, _)| pointer.as_str())
    }
}

impl Sign {
    fn is(&self, found: Option<&Value>) -> bool {
        match self {
            Self::One(sign) => found == Some(sign),
            Self::Several(signs) => found.is_some_and(|found| signs.contains(found)),
        }
    }
}

fn check_pointer(name: &str, pointer: &str) -> Result<(), String> {
    let escaped = pointer.split('~').skip(1).all(|after| after.starts_with(['0', '1']));
    match pointer.starts_with('/') && escaped {
        true => Ok(()),
        false => Err(format!("[{name}] has {pointer:?}, which is no JSON pointer such as /a/b")),
    }
}

fn yes() -> bool {
    true
}

const METHODS: [Method; 5] =
    [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
/// Headers that the client sets by what it sends and where.
const OURS: [&str; 4] = ["host", "content-length", "transfer-encoding", "connection"];
const HEADERS_MAX: usize = 32;
const ENTRIES_MAX: usize = 64;
const WHY_CHARS_MAX: usize = 160;
