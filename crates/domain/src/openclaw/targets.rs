//! Which paths of OpenClaw's files hold credentials: a table, `targets.tsv`, and more of its form.
//!
//! ```text
//! config_file         path                       ref_path           shape        when
//! openclaw.json       models.providers.*.apiKey                     secret_input
//! auth-profiles.json  profiles.*.key             profiles.*.keyRef  sibling_ref  {"type":"token"}
//! ```
//! Separated by tabs, with a first line of titles; `*` is any key, `[]` any index. A `secret_input`
//! takes a ref in its own place, a `sibling_ref` beside it, and `when` has what the object that the
//! credential stands in must have besides.

use super::text::{Document, Kind, Member, Node};
use std::fmt;

/// Paths of one table.
pub const TARGETS_MAX: usize = 1_000;

/// A file of OpenClaw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum File {
    /// `openclaw.json`.
    Config,
    /// `auth-profiles.json` of one of its agents.
    Profiles,
}

/// A path that holds a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The file that it is of.
    pub file: File,
    /// The path, as the table has it.
    pub path: String,
    /// Key beside it that the ref goes to; none where it takes the credential's own place.
    pub sibling: Option<String>,
    steps: Vec<Step>,
    when: Vec<(String, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    AnyKey,
    AnyIndex,
}

/// A step of the way to a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Segment {
    /// Key of an object.
    Key(String),
    /// Index of an array, from 0.
    Index(usize),
}

/// The way to a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path(pub Vec<Segment>);

/// A place of a document that a target names.
#[derive(Debug)]
pub struct Found<'d> {
    /// The way to it.
    pub path: Path,
    /// What stands there; none where only a ref stands beside it.
    pub member: Option<&'d Member>,
    /// What stands where a ref goes that does not take the credential's own place.
    pub beside: Option<&'d Member>,
}

impl fmt::Display for Path {
    /// As OpenClaw's own `secrets audit` writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, segment) in self.0.iter().enumerate() {
            let dot = if at == 0 { "" } else { "." };
            match segment {
                Segment::Key(key) => write!(f, "{dot}{key}")?,
                Segment::Index(index) => write!(f, "{dot}{index}")?,
            }
        }
        Ok(())
    }
}

/// The 64 targets of OpenClaw 2026.3.2.
#[must_use]
pub fn known() -> Vec<Target> {
    parse(TABLE).unwrap_or_else(|_| unreachable!("the table is part of this program"))
}

/// What OpenClaw mints or rotates by itself: a ref there would be overwritten, or break it.
#[must_use]
pub fn excluded() -> Vec<Target> {
    parse(EXCLUDED).unwrap_or_else(|_| unreachable!("the table is part of this program"))
}

/// Reads a table of targets.
///
/// # Errors
/// The line, from 1, and what is wrong with it.
pub fn parse(table: &str) -> Result<Vec<Target>, (usize, &'static str)> {
    let mut targets = Vec::new();
    for (at, line) in table.lines().enumerate().skip(1) {
        if line.trim().is_empty() {
            continue;
        }
        if targets.len() == TARGETS_MAX {
            return Err((at + 1, "the table has more than 1,000 paths"));
        }
        targets.push(Target::parse(line.trim_end_matches('\r')).map_err(|what| (at + 1, what))?);
    }
    Ok(targets)
}

impl Target {
    fn parse(line: &str) -> Result<Self, &'static str> {
        let mut fields = line.split('\t');
        let mut field = || fields.next().unwrap_or_default();
        let (file, path, ref_path, shape, when) = (field(), field(), field(), field(), field());
        let file = match file {
            "openclaw.json" => File::Config,
            "auth-profiles.json" => File::Profiles,
            _ => return Err("the file is neither openclaw.json nor auth-profiles.json"),
        };
        let steps = steps(path)?;
        if matches!(steps.last(), None | Some(Step::AnyIndex)) {
            return Err("the path ends in no key");
        }
        let sibling = match (shape, ref_path.rsplit_once('.'), path.rsplit_once('.')) {
            ("secret_input", _, _) if ref_path.is_empty() => None,
            ("sibling_ref", Some((ref_parent, key)), Some((parent, _)))
                if ref_parent == parent && !key.is_empty() && key != "*" =>
            {
                Some(key.to_owned())
            }
            ("sibling_ref", _, _) => return Err("the ref's path is not beside the path"),
            _ => return Err("the shape is neither secret_input nor sibling_ref"),
        };
        let when = match when {
            "" => Vec::new(),
            text => serde_json::from_str::<std::collections::BTreeMap<String, String>>(text)
                .map_err(|_| "`when` is no JSON object of strings")?
                .into_iter()
                .collect(),
        };
        Ok(Self { file, path: path.to_owned(), sibling, steps, when })
    }

    /// Every place of a document that this names, in the order of the text.
    #[must_use]
    pub fn find<'d>(&self, document: &'d Document) -> Vec<Found<'d>> {
        let mut found = Vec::new();
        self.walk(document, document.root(), &self.steps, &mut Vec::new(), &mut found);
        found
    }

    fn walk<'d>(
        &self,
        document: &'d Document,
        node: &'d Node,
        steps: &[Step],
        path: &mut Vec<Segment>,
        found: &mut Vec<Found<'d>>,
    ) {
        match (steps, &node.kind) {
            ([last], Kind::Object(_)) => self.collect(document, node, last, path, found),
            ([Step::AnyIndex, rest @ ..], Kind::Array(items)) => {
                for (index, item) in items.iter().enumerate() {
                    path.push(Segment::Index(index));
                    self.walk(document, item, rest, path, found);
                    path.pop();
                }
            }
            ([step, rest @ ..], Kind::Object(members)) => {
                for member in members.iter().filter(|member| step.takes(&member.key)) {
                    path.push(Segment::Key(member.key.clone()));
                    self.walk(document, &member.value, rest, path, found);
                    path.pop();
                }
            }
            _ => {}
        }
    }

    fn collect<'d>(
        &self,
        document: &'d Document,
        object: &'d Node,
        last: &Step,
        path: &[Segment],
        found: &mut Vec<Found<'d>>,
    ) {
        let has = |(key, wanted): &(String, String)| {
            let text = object.member(key).and_then(|it| document.string(&it.value));
            text.is_some_and(|text| *text == *wanted)
        };
        if !self.when.iter().all(has) {
            return;
        }
        let to = |key: &str| {
            let last = [Segment::Key(key.to_owned())];
            Path(path.iter().cloned().chain(last).collect())
        };
        let beside = self.sibling.as_deref().and_then(|key| object.member(key));
        let members = object.members().iter().filter(|member| last.takes(&member.key));
        let places = members.map(|it| Found { path: to(&it.key), member: Some(it), beside });
        let before = found.len();
        found.extend(places);
        if let (true, Some(_), Step::Key(key)) = (found.len() == before, beside, last) {
            found.push(Found { path: to(key), member: None, beside });
        }
    }
}

impl Step {
    fn takes(&self, key: &str) -> bool {
        match self {
            Self::Key(own) => own == key,
            Self::AnyKey => true,
            Self::AnyIndex => false,
        }
    }
}

fn steps(path: &str) -> Result<Vec<Step>, &'static str> {
    let mut steps = Vec::new();
    for word in path.split('.') {
        let (key, index) = match word.strip_suffix("[]") {
            Some(key) => (key, true),
            None => (word, false),
        };
        steps.push(match key {
            "" => return Err("the path has an empty step"),
            "*" => Step::AnyKey,
            "__proto__" | "prototype" | "constructor" => {
                return Err("the path has a step that OpenClaw forbids");
            }
            key => Step::Key(key.to_owned()),
        });
        steps.extend(index.then_some(Step::AnyIndex));
    }
    Ok(steps)
}

const TABLE: &str = include_str!("targets.tsv");
const EXCLUDED: &str = include_str!("excluded.tsv");

#[cfg(test)]
mod tests;
