//! Templates of a service's requests.
//!
//! ```text
//! {{ old.value }} {{ old.handle }}        the credential that is replaced
//! {{ new.value }} {{ new.handle }}        the one that replaces it
//! {{ credential.value }} …                the one that is tested, or ended
//! {{ secrets.NAME }}                      a secret of the rotator's own; `-` may be written `_`
//! {{ values.NAME }}                       a text of the file's own
//! {{ rotation }} {{ ref }} {{ environment }} {{ now }}      `now` in seconds
//! filters: urlencode, base64, json, pointer('/PATH')
//! basic(USER, PASSWORD)                   what `Authorization` has of both
//! jwt_rs256(KEY, iss=…, iat=now, …)       a signed token, KEY in PEM
//! ```
//! The language is minijinja's without its own filters and functions. A name that nothing has is an
//! error, no error has a value in it, and what a template may cost is limited.

mod text;

use crate::rotators::{Credential, OwnSecrets, Task};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value};
use std::{
    collections::BTreeMap,
    io::{self, Write},
    time::SystemTime,
};
use text::Text;
use zeroize::Zeroizing;

/// What templates can name.
pub(super) struct Names(Value);

/// The names that there will be in a step.
pub(super) struct Known<'a> {
    /// Those of the credentials.
    pub(super) credentials: &'a [&'a str],
    pub(super) own: &'a OwnSecrets,
    pub(super) values: &'a BTreeMap<String, String>,
}

/// The language of templates.
pub(super) struct Language(Environment<'static>);

impl Names {
    /// The names of one step, with its credentials by the names that it has for them.
    pub(super) fn of(
        task: &Task,
        credentials: &[(&'static str, &Credential)],
        own: &OwnSecrets,
        values: &BTreeMap<String, String>,
    ) -> Self {
        let mut secrets = BTreeMap::new();
        for (name, value) in own {
            let Some(text) = Text::copy(value) else { continue };
            secrets.entry(name.replace('-', "_")).or_insert_with(|| text.clone());
            secrets.insert(name.clone(), text);
        }
        let mut names = BTreeMap::from([
            ("secrets", Value::from(secrets)),
            ("values", Value::from(values.clone())),
            ("rotation", Value::from(task.rotation.to_string())),
            ("ref", Value::from(task.reference.as_str())),
            ("environment", Value::from(task.environment.as_str())),
            ("now", Value::from(now_seconds())),
        ]);
        names.extend(credentials.iter().map(|(name, credential)| (*name, shown(credential))));
        Self(Value::from(names))
    }
}

impl Known<'_> {
    fn has(&self, name: &str) -> bool {
        let (first, rest) = match name.split_once('.') {
            Some((first, rest)) => (first, Some(rest)),
            None => (name, None),
        };
        match (first, rest) {
            ("secrets", Some(name)) => {
                self.own.keys().any(|own| own == name || own.replace('-', "_") == name)
            }
            ("values", Some(name)) => self.values.contains_key(name),
            (_, None) => OTHERS.contains(&first) || self.credentials.contains(&first),
            (_, Some(part)) => self.credentials.contains(&first) && PARTS.contains(&part),
        }
    }
}

/// What time it is, in seconds since 1970.
pub(super) fn now_seconds() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |it| i64::try_from(it.as_secs()).unwrap_or(i64::MAX))
}

/// A credential. A value that is no text, and a handle that it has not, are undefined.
fn shown(credential: &Credential) -> Value {
    let mut parts = BTreeMap::new();
    parts.extend(Text::copy(&credential.value).map(|text| ("value", text)));
    parts.extend(credential.handle.as_deref().map(|handle| ("handle", Value::from(handle))));
    Value::from(parts)
}

impl Language {
    pub(super) fn new() -> Self {
        let mut language = Environment::empty();
        language.set_undefined_behavior(UndefinedBehavior::Strict);
        language.set_auto_escape_callback(|_| AutoEscape::None);
        language.set_keep_trailing_newline(true);
        language.set_recursion_limit(DEPTH_MAX);
        language.set_fuel(Some(FUEL_MAX));
        language.set_formatter(|out, _, value| text::print(out, value));
        language.add_filter("urlencode", text::urlencode);
        language.add_filter("base64", text::base64);
        language.add_filter("json", text::json);
        language.add_filter("pointer", text::pointer);
        language.add_function("basic", text::basic);
        language.add_function("jwt_rs256", text::jwt_rs256);
        language.add_test("defined", |value: &Value| !value.is_undefined());
        Self(language)
    }

    /// Whether a text is a template of names that there will be; else why not, in words that have
    /// nothing secret.
    pub(super) fn check(&self, source: &str, known: &Known<'_>) -> Result<(), String> {
        let template = self.0.template_from_str(source).map_err(|error| explain(&error, false))?;
        let mut named: Vec<String> = template.undeclared_variables(true).into_iter().collect();
        named.sort_unstable();
        match named.iter().find(|name| !known.has(name)) {
            Some(name) => Err(format!("names {name:?}, which is not there in this step")),
            None => Ok(()),
        }
    }

    /// What a template makes of these names.
    pub(super) fn render(&self, source: &str, names: &Names) -> Result<Zeroizing<Vec<u8>>, String> {
        let template = self.0.template_from_str(source).map_err(|error| explain(&error, false))?;
        let mut output = Output { bytes: Zeroizing::default(), over: false };
        let rendered = template.render_captured_to(&names.0, &mut output).map(drop);
        rendered.map_err(|error| explain(&error, output.over))?;
        Ok(output.bytes)
    }
}

/// Says what went wrong in words that cannot have a value in them: the kind of the error, and its
/// details only where they speak of the template alone.
fn explain(error: &Error, over: bool) -> String {
    let line = error.line().unwrap_or(1);
    let detail = error.detail().unwrap_or_default();
    let why = match error.kind() {
        _ if over => format!("makes more than {OUTPUT_BYTES_MAX} bytes"),
        ErrorKind::UndefinedError => "names something that is not there in this step".to_owned(),
        ErrorKind::OutOfFuel => format!("takes more than {FUEL_MAX} steps"),
        ErrorKind::SyntaxError
        | ErrorKind::UnknownFilter
        | ErrorKind::UnknownTest
        | ErrorKind::UnknownFunction => {
            format!("is none: {}", detail.chars().take(WHY_CHARS_MAX).collect::<String>())
        }
        _ => match text::COMPLAINTS.iter().find(|it| **it == detail) {
            Some(complaint) => format!("fails: {complaint}"),
            None => "does what cannot be done with what it names".to_owned(),
        },
    };
    format!("{why} (line {line})")
}

/// What a template writes: at most so much, and never moved without being overwritten.
struct Output {
    bytes: Zeroizing<Vec<u8>>,
    over: bool,
}

impl Write for Output {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        let bytes = self.bytes.len() + more.len();
        if bytes > OUTPUT_BYTES_MAX {
            self.over = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        if bytes > self.bytes.capacity() {
            // A buffer that grew by itself would leave a copy behind.
            let room = bytes.next_power_of_two().max(ROOM_BYTES_MIN);
            let mut larger = Zeroizing::new(Vec::with_capacity(room));
            larger.extend_from_slice(&self.bytes);
            self.bytes = larger;
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a credential has.
const PARTS: [&str; 2] = ["value", "handle"];
/// What every step can name, besides credentials.
const OTHERS: [&str; 8] =
    ["secrets", "values", "rotation", "ref", "environment", "now", "basic", "jwt_rs256"];
/// What one template may make, in bytes.
const OUTPUT_BYTES_MAX: usize = 512 * 1024;
/// Steps that a template may take.
const FUEL_MAX: u64 = 10_000;
const DEPTH_MAX: usize = 20;
const WHY_CHARS_MAX: usize = 100;
const ROOM_BYTES_MIN: usize = 1024;

#[cfg(test)]
mod tests;
