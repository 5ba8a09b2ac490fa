//! How findings are told: a line each, JSON, or SARIF. Never with a value.

use crate::{
    connect::Session,
    failure::{Failure, plain},
    print::sarif::{self, Level, Rule},
};
use secretref_domain::{
    scan::{Finding, HELD_ID, Why},
    service::kinds::KINDS,
};
use serde::Serialize;
use std::collections::BTreeSet;

/// A finding and where it stands.
pub(super) struct Line {
    pub(super) path: String,
    /// Line of the file, from 1.
    pub(super) line: usize,
    /// Column of the line, from 1, in characters.
    pub(super) column: usize,
    pub(super) finding: Finding,
    pub(super) fingerprint: String,
}

/// What `--json` prints of each.
#[derive(Serialize)]
struct Shown<'l> {
    path: &'l str,
    line: usize,
    column: usize,
    rule: &'static str,
    service: &'static str,
    kind: &'static str,
    name: Option<&'l str>,
    mask: &'l str,
    why: String,
    fix: String,
    fingerprint: &'l str,
}

/// Prints all findings.
pub(super) fn print(session: &Session<'_>, sarif: bool, lines: &[Line]) -> Result<(), Failure> {
    if sarif {
        return session.out.json(&document(lines));
    }
    if session.out.json {
        let shown: Vec<Shown<'_>> = lines.iter().map(shown).collect();
        return session.out.json(&serde_json::json!({ "findings": shown }));
    }
    for line in lines {
        let Line { path, line: row, column, finding, .. } = line;
        let (id, mask) = (finding.id, &finding.mask);
        let said =
            format!("{path}:{row}:{column} {id} {mask} {}. Fix: {}", why(finding), fix(finding));
        session.out.line(&plain(&said))?;
    }
    Ok(())
}

fn shown(line: &Line) -> Shown<'_> {
    let finding = &line.finding;
    Shown {
        path: &line.path,
        line: line.line,
        column: line.column,
        rule: finding.id,
        service: finding.service,
        kind: finding.title,
        name: finding.name.as_deref(),
        mask: &finding.mask,
        why: why(finding),
        fix: fix(finding),
        fingerprint: &line.fingerprint,
    }
}

fn document(lines: &[Line]) -> serde_json::Value {
    let found: BTreeSet<&str> = lines.iter().map(|line| line.finding.id).collect();
    let kinds = KINDS.iter().copied().flatten().filter(|kind| found.contains(kind.id));
    let rule = |id: &str, what: String| Rule {
        id: id.to_owned(),
        what,
        fix: "Put it into the broker with secretref put, write its name here, and rotate it at \
              its service."
            .to_owned(),
    };
    let mut rules: Vec<Rule> =
        kinds.map(|kind| rule(kind.id, format!("{} of {}", kind.title, kind.service))).collect();
    let known: BTreeSet<String> = rules.iter().map(|rule| rule.id.clone()).collect();
    let rest = found.into_iter().filter(|id| !known.contains(*id));
    let what = |id: &str| match id {
        HELD_ID => "a value that the broker holds",
        _ => "a secret by its name",
    };
    rules.extend(rest.map(|id| rule(id, what(id).to_owned())));
    let findings: Vec<sarif::Finding> = lines.iter().map(finding).collect();
    sarif::document("secretrefScan/v1", &rules, &findings)
}

fn finding(line: &Line) -> sarif::Finding {
    let Line { path, line: row, column, finding, fingerprint } = line;
    let (title, service, mask) = (finding.title, finding.service, &finding.mask);
    sarif::Finding {
        rule: finding.id.to_owned(),
        level: match &finding.why {
            Why::Entropy => Level::Warning,
            Why::Shape | Why::Encoded | Why::Name | Why::Held(..) => Level::Error,
        },
        message: format!("{title} of {service} ({mask}): {}. {}", why(finding), fix(finding)),
        path: path.clone(),
        line: Some(*row),
        column: Some(*column),
        fingerprint: fingerprint.clone(),
    }
}

fn why(finding: &Finding) -> String {
    let why = match &finding.why {
        Why::Shape => "its shape is that of the service's credentials",
        Why::Encoded => "in base64 it has the shape of the service's credentials",
        Why::Name => "its shape and its name are those of the service's credentials",
        Why::Entropy => "its name says that it is a secret, and it looks drawn by lot",
        Why::Held(secret, version) => return format!("the broker has it as {secret} v{version}"),
    };
    why.to_owned()
}

/// What to do: the command with the name that it may get.
fn fix(finding: &Finding) -> String {
    if let Why::Held(secret, _) = &finding.why {
        return format!(
            "write the ref {secret} here, and secretref rotate {secret}: it was in a file"
        );
    }
    let name = finding.name.as_deref().map(name).filter(|name| !name.is_empty());
    let name = name.unwrap_or_else(|| format!("{}-key", finding.service));
    let service = match finding.service {
        "generic" => String::new(),
        service => format!(" --service {service}"),
    };
    format!("secretref put {name}{service}, write the ref here, and rotate it: it was in a file")
}

/// `STRIPE_API_KEY` and `stripeApiKey` make `stripe-api-key`.
fn name(given: &str) -> String {
    let mut name = String::new();
    let mut lower = false;
    for c in given.chars() {
        let word = c.is_ascii_alphanumeric();
        if (c.is_ascii_uppercase() && lower || !word) && !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
        if word {
            name.push(c.to_ascii_lowercase());
        }
        lower = c.is_ascii_lowercase();
    }
    name.trim_matches('-').to_owned()
}

#[cfg(test)]
mod tests;
