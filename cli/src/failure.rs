//! Failures: one line each, that says what, which, why and how to fix it, and an exit code that
//! scripts rely on.

use secretref_proto::ERROR_DOMAIN;
use std::{fmt, io, process::ExitCode};
use tonic::{Code, Status};
use tonic_types::{FieldViolation, StatusExt};

/// How the program ends. The numbers are a contract with scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done = 0,
    /// Findings, or the server said no.
    Refused = 1,
    /// Wrong usage; invalid or unresolvable input.
    Usage = 2,
    /// Not found.
    NotFound = 3,
    /// The audit trail was altered.
    Altered = 10,
    /// Something of the audit trail is missing or in another place.
    Misplaced = 11,
    /// The audit trail was cut back.
    Truncated = 12,
    /// A checkpoint is not signed by the key, or contradicts another.
    Forked = 13,
    /// The audit trail could not be verified to its end.
    Unverified = 20,
    /// The broker cannot be reached.
    Unreachable = 69,
    /// Interrupted by Ctrl-C: 128 + SIGINT.
    Interrupted = 130,
    /// Asked to end: 128 + SIGTERM.
    Terminated = 143,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// What went wrong.
#[derive(Debug)]
pub(crate) struct Failure {
    /// How the program ends.
    pub(crate) exit: Exit,
    /// One line each; none where there is nobody left to tell.
    problems: Vec<Problem>,
}

#[derive(Debug)]
struct Problem {
    what: String,
    fix: Option<String>,
}

impl Failure {
    /// A failure with the command or the change that fixes it.
    pub(crate) fn new(exit: Exit, what: impl Into<String>, fix: impl Into<String>) -> Self {
        let problem = Problem { what: what.into(), fix: Some(fix.into()) };
        Self { exit, problems: vec![problem] }
    }

    /// Wrong usage or invalid input.
    pub(crate) fn usage(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what, fix)
    }

    /// Several things that are wrong with the input, each with what fixes it.
    pub(crate) fn usages(problems: impl IntoIterator<Item = (String, String)>) -> Self {
        let problem = |(what, fix)| Problem { what, fix: Some(fix) };
        Self { exit: Exit::Usage, problems: problems.into_iter().map(problem).collect() }
    }

    /// The broker cannot be reached.
    pub(crate) fn unreachable(what: impl Into<String>) -> Self {
        let fix = "start it (secretref-broker serve --data-dir DIR), or repeat the command with \
                   --wait";
        Self::new(Exit::Unreachable, what, fix)
    }

    /// A failure of which people were told already.
    pub(crate) fn told(exit: Exit) -> Self {
        Self { exit, problems: Vec::new() }
    }

    /// The first thing that is wrong, and what mends it where that is known.
    pub(crate) fn first(&self) -> (String, Option<String>) {
        let first = self.problems.first();
        first.map_or((String::new(), None), |problem| (plain(&problem.what), problem.fix.clone()))
    }

    /// The lines for people, each starting with `error: ` in the given spelling.
    pub(crate) fn lines(&self, label: &str) -> Vec<String> {
        let one_line = |problem: &Problem| match &problem.fix {
            Some(fix) => {
                let what = plain(&problem.what);
                let what = what.trim_end_matches('.');
                format!("{label} {what}. Fix: {}", plain(fix))
            }
            None => format!("{label} {}", plain(&problem.what)),
        };
        self.problems.iter().map(one_line).collect()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines("error:").join("\n"))
    }
}

impl From<io::Error> for Failure {
    /// For writing to standard output. A reader that went away is no failure of ours: it has what
    /// it wanted.
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self { exit: Exit::Done, problems: Vec::new() };
        }
        let what = format!("standard output cannot be written: {error}");
        Self { exit: Exit::Refused, problems: vec![Problem { what, fix: None }] }
    }
}

impl From<Status> for Failure {
    /// What a broker said, or that none said anything.
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        let info = details.error_info().filter(|info| info.domain == ERROR_DOMAIN);
        let exit = exit_of(status.code(), info.is_some());
        let fix = info.and_then(|info| info.metadata.get("fix")).cloned();
        if let Some(request) = details.bad_request()
            && !request.field_violations.is_empty()
        {
            let mut problems: Vec<Problem> =
                request.field_violations.iter().flat_map(violations).collect();
            if let Some(last) = problems.last_mut() {
                last.fix = fix;
            }
            return Self { exit, problems };
        }
        if exit == Exit::Unreachable && info.is_none() {
            return Self::unreachable(format!("the broker did not answer: {}", words(&status)));
        }
        Self { exit, problems: vec![Problem { what: words(&status), fix }] }
    }
}

/// A broker that is stopping, or has lost its store, is as good as out of reach: the same command
/// may work in a moment. Other codes without our own details come from the way to the broker.
fn exit_of(code: Code, said_by_broker: bool) -> Exit {
    match code {
        Code::NotFound => Exit::NotFound,
        Code::InvalidArgument | Code::OutOfRange => Exit::Usage,
        Code::Unavailable => Exit::Unreachable,
        Code::DeadlineExceeded | Code::Cancelled | Code::Unknown if !said_by_broker => {
            Exit::Unreachable
        }
        _ => Exit::Refused,
    }
}

/// A line for each line of a violation: several manifests have several things wrong with them,
/// and each says where.
fn violations(violation: &FieldViolation) -> Vec<Problem> {
    let problem = |what: String| Problem { what, fix: None };
    let FieldViolation { field, description, .. } = violation;
    match description.lines().count() {
        0 | 1 if field.is_empty() => vec![problem(description.clone())],
        0 | 1 => vec![problem(format!("{field}: {description}"))],
        _ => description.lines().map(|line| problem(line.to_owned())).collect(),
    }
}

fn words(status: &Status) -> String {
    match status.message() {
        "" => format!("the broker answered {:?}", status.code()),
        message => message.to_owned(),
    }
}

/// Text on one line without anything that steers a terminal: what others wrote is shown, never
/// obeyed. Line ends become spaces, other control and direction characters `\u{fffd}`.
pub(crate) fn plain(text: &str) -> String {
    let shown = |character: char| match character {
        '\n' | '\r' | '\t' => ' ',
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        other if other.is_control() => '\u{fffd}',
        other => other,
    };
    text.trim_end().chars().map(shown).collect()
}

#[cfg(test)]
mod tests;
