//! What will be done, place by place; no value of it.

use super::scheme::{Scheme, Step};
use crate::{connect::Session, failure::Failure, print::plain};
use serde::Serialize;

/// A place as `--json` prints it.
#[derive(Serialize)]
struct Shown<'a> {
    file: String,
    path: String,
    line: usize,
    action: &'static str,
    #[serde(rename = "ref")]
    secret: Option<&'a str>,
    from: Option<&'a str>,
    reason: Option<&'a str>,
}

/// Says it: one JSON document, or a line for each place.
pub(super) fn print(session: &Session<'_>, scheme: &Scheme<'_>) -> Result<(), Failure> {
    let shown: Vec<Shown<'_>> = scheme
        .steps
        .iter()
        .map(|(place, step)| {
            let (action, secret, from, reason) = match step {
                Step::Move { name, from } => ("move", Some(name.as_str()), from.as_deref(), None),
                Step::Keep { name, residue: false } => ("keep", Some(name.as_str()), None, None),
                Step::Keep { name, residue: true } => ("scrub", Some(name.as_str()), None, None),
                Step::Leave(why) => ("leave", None, None, Some(why.as_str())),
            };
            let (file, path, line) = (place.file.shown(), place.path(), place.at().0);
            Shown { file, path, line, action, secret, from, reason }
        })
        .collect();
    if session.out.json {
        return session.out.json(&shown);
    }
    for Shown { file, path, line, action, secret, from, reason } in &shown {
        let secret = secret.unwrap_or_default();
        let what = match (*action, from) {
            ("move", None) => format!("becomes {secret}"),
            ("move", Some(from)) => format!("becomes {secret}, with the value of {from}"),
            ("keep", _) => format!("is {secret} already"),
            ("scrub", _) => format!("is {secret} already; the value beside it goes"),
            _ => format!("stays: {}", reason.unwrap_or_default()),
        };
        session.out.line(&plain(&format!("{file}:{line}: {path} {what}")))?;
    }
    Ok(())
}
