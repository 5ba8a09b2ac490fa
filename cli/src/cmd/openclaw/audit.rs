//! `secretref openclaw audit`: what is left in the open, and refs that come to nothing.

use super::{
    files::Files,
    survey::{Held, Place, survey},
};
use crate::{
    cmd::agent_name,
    connect::{Session, ask_twice},
    failure::{Exit, Failure},
    print::{
        counted, plain,
        sarif::{self, Level, Rule},
    },
};
use secretref_domain::hash::{hex, sha256};
use secretref_proto::v1;
use serde::Serialize;
use std::collections::BTreeMap;

/// Find what is still in the open in `OpenClaw`'s files, and refs that come to nothing.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    secretref openclaw audit ~/.openclaw/openclaw.json\n  \
    secretref openclaw audit ~/.openclaw/openclaw.json --agent gateway --json\n  \
    secretref openclaw audit openclaw.json --sarif > openclaw.sarif\n\
    Exit codes: 0 nothing; 1 values in the open; 2 refs that come to nothing, which wins. \
    The broker is asked only where a file has refs to it; refs to other sources are listed and are \
    no finding.")]
pub(crate) struct Audit {
    #[command(flatten)]
    files: Files,
    /// Agent that the refs are to be bound to
    #[arg(long, value_name = "NAME", default_value = "openclaw")]
    agent: String,
    /// What OpenClaw calls the broker
    #[arg(long, value_name = "ALIAS", default_value = "secretref")]
    provider: String,
    /// Print SARIF 2.1.0, for code hosts
    #[arg(long)]
    sarif: bool,
}

/// Something that is wrong.
#[derive(Serialize)]
struct Finding {
    code: &'static str,
    file: String,
    path: String,
    line: usize,
    column: usize,
    #[serde(rename = "ref")]
    secret: Option<String>,
    message: String,
    fix: String,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    status: &'static str,
    refs: usize,
    findings: Vec<Finding>,
    elsewhere: Vec<Elsewhere>,
}

/// A place that is looked at by nobody here.
#[derive(Serialize)]
struct Elsewhere {
    file: String,
    path: String,
    what: String,
}

impl Audit {
    /// Looks, and says it.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let agent = agent_name(&self.agent)?;
        let files = self.files.open()?;
        let places = survey(&files, &self.files.targets()?, &self.provider);
        let refs = places.iter().filter(|it| matches!(it.held, Held::Ours { .. })).count();
        let known = match refs {
            0 => BTreeMap::new(),
            _ => known(session).await?,
        };
        let findings: Vec<Finding> =
            places.iter().flat_map(|place| of(place, &agent, &known)).collect();
        let elsewhere = places.iter().filter_map(elsewhere).collect();
        let has = |code| findings.iter().any(|finding| finding.code == code);
        let (status, exit) = match (has(UNRESOLVED), has(PLAINTEXT)) {
            (true, _) => ("unresolved", Exit::Usage),
            (false, true) => ("findings", Exit::Refused),
            (false, false) => ("clean", Exit::Done),
        };
        let report = Report { status, refs, findings, elsewhere };
        if self.sarif {
            session.out.json(&document(&report.findings))?;
        } else if session.out.json {
            session.out.json(&report)?;
        } else {
            report.print(session)?;
        }
        Ok(exit)
    }
}

impl Report {
    fn print(&self, session: &Session<'_>) -> Result<(), Failure> {
        for Finding { code, file, path, line, message, fix, .. } in &self.findings {
            let text = format!("{file}:{line}: {path}: {message} ({code}). Fix: {fix}");
            session.out.line(&plain(&text))?;
        }
        for Elsewhere { file, path, what } in &self.elsewhere {
            session.out.note(&plain(&format!("{file}: {path}: {what}")));
        }
        let found = counted(self.findings.len(), "finding");
        session.out.note(&format!("{found}, {}", counted(self.refs, "ref")));
        Ok(())
    }
}

/// What the broker knows of each ref.
async fn known(session: &Session<'_>) -> Result<BTreeMap<String, v1::Reference>, Failure> {
    let client = session.references().await?;
    let (mut known, mut page_token) = (BTreeMap::new(), String::new());
    loop {
        let request = v1::ListReferencesRequest {
            environment: session.environment(),
            page_size: 1_000,
            page_token,
            name: String::new(),
        };
        let answer = ask_twice(|| {
            let (mut client, request) = (client.clone(), request.clone());
            async move { client.list_references(request).await }
        })
        .await?;
        known.extend(answer.references.into_iter().map(|it| (it.name.clone(), it)));
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            return Ok(known);
        }
    }
}

/// What is wrong at a place.
fn of(place: &Place<'_>, agent: &str, known: &BTreeMap<String, v1::Reference>) -> Vec<Finding> {
    let finding = |code, secret: Option<&str>, message: String, fix: String| {
        let (file, path, (line, column)) = (place.file.shown(), place.path(), place.at());
        let secret = secret.map(str::to_owned);
        Finding { code, file, path, line, column, secret, message, fix }
    };
    let import = || "secretref openclaw import FILE --apply".to_owned();
    let mut found = Vec::new();
    let (id, residue) = match &place.held {
        Held::Plaintext => {
            let message = "the value stands in the open".to_owned();
            found.push(finding(PLAINTEXT, None, message, import()));
            return found;
        }
        Held::Foreign { residue, .. } => (None, *residue),
        Held::Ours { id, residue } => (Some(id), *residue),
        Held::Left(_) => return found,
    };
    if residue {
        let message = "a value stands in the open beside its ref".to_owned();
        found.push(finding(PLAINTEXT, None, message, import()));
    }
    let Some(id) = id else { return found };
    if let Some((message, fix)) = unresolved(id, agent, known.get(id)) {
        found.push(finding(UNRESOLVED, Some(id), message, fix));
    }
    found
}

/// Why a ref comes to nothing for an agent.
fn unresolved(id: &str, agent: &str, known: Option<&v1::Reference>) -> Option<(String, String)> {
    let bind = format!("secretref openclaw import FILE --agent {agent} --apply");
    let Some(known) = known else {
        return Some((format!("the broker has no ref {id}"), bind));
    };
    if known.bindings.iter().all(|binding| binding.agent != agent) {
        return Some((format!("{id} is not bound to agent {agent}"), bind));
    }
    if known.version == 0 {
        let why = known.reason.trim_end_matches('.');
        return Some((format!("{id} has no value: {why}"), known.fix.clone()));
    }
    None
}

fn elsewhere(place: &Place<'_>) -> Option<Elsewhere> {
    let what = match &place.held {
        Held::Foreign { reference, .. } => format!("a ref to {reference}"),
        Held::Left(why) => format!("left alone: {why}"),
        Held::Plaintext | Held::Ours { .. } => return None,
    };
    Some(Elsewhere { file: place.file.shown(), path: place.path(), what })
}

fn document(findings: &[Finding]) -> serde_json::Value {
    let rule = |id: &str, what: &str, fix: &str| Rule {
        id: id.to_owned(),
        what: what.to_owned(),
        fix: fix.to_owned(),
    };
    let rules = [
        rule(PLAINTEXT, "A credential stands in the open.", "secretref openclaw import"),
        rule(UNRESOLVED, "A ref comes to nothing.", "Put its secret, and bind it to the agent."),
    ];
    let result = |finding: &Finding| {
        let Finding { code, file, path, line, column, message, .. } = finding;
        let mark = sha256(&[code.as_bytes(), b"\0", path.as_bytes()]);
        sarif::Finding {
            rule: (*code).to_owned(),
            // As bad as OpenClaw's own audit has it.
            level: if *code == UNRESOLVED { Level::Error } else { Level::Warning },
            message: format!("{path}: {message}"),
            path: file.clone(),
            line: Some(*line),
            column: Some(*column),
            fingerprint: hex(&mark[..8]),
        }
    };
    let results: Vec<sarif::Finding> = findings.iter().map(result).collect();
    sarif::document("secretrefOpenclaw/v1", &rules, &results)
}

const PLAINTEXT: &str = "plaintext";
const UNRESOLVED: &str = "unresolved-ref";
