//! `secretref scan`: literals in files that look like credentials. It talks to nobody, unless it is
//! asked to find what the broker holds.

mod baseline;
mod held;
mod report;
mod source;

use crate::{
    connect::Session,
    failure::{Exit, Failure},
    print::counted,
};
use baseline::Baseline;
use held::Question;
use report::Line;
use secretref_domain::scan::{Format, fingerprints, scan};
use source::Source;
use std::path::PathBuf;

/// Find literals that look like credentials.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    secretref scan .\n  \
    secretref scan .env deploy/ --json\n  \
    secretref scan . --held\n  \
    git diff --cached | secretref scan --stdin staged.patch\n  \
    secretref scan . --sarif > scan.sarif\n  \
    secretref scan . --write-baseline .secretref-baseline.json\n\
    Files that .gitignore names are passed over in folders; a file that is named is always read. \
    A line with secretref:allow in it is no finding. No value is ever printed.\n\
    Exit codes: 0 nothing found, 1 findings, 2 a file cannot be read.")]
pub(crate) struct Scan {
    /// Files and folders
    #[arg(value_name = "PATH", required_unless_present = "stdin")]
    paths: Vec<PathBuf>,
    /// Read standard input, as a file of this name
    #[arg(long, value_name = "NAME")]
    stdin: Option<String>,
    /// Also find what the broker holds, whatever it looks like: it is asked by digests, under a
    /// key of this run, and gets no literal. Needs the operator or the auditor role
    #[arg(long)]
    held: bool,
    /// Print SARIF 2.1.0
    #[arg(long)]
    sarif: bool,
    /// Pass over the findings that this file lists
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Write the findings to this file, for --baseline, and end with 0
    #[arg(long, value_name = "FILE", conflicts_with = "baseline")]
    write_baseline: Option<PathBuf>,
    /// In folders, read what .gitignore names too
    #[arg(long)]
    no_ignore: bool,
}

impl Scan {
    /// Reads one file after another; what cannot be read beats what is found.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        if self.sarif && session.out.json {
            return Err(Failure::usage("--sarif is JSON already", "leave --json out"));
        }
        let baseline = self.baseline.as_deref().map(Baseline::read).transpose()?;
        let (mut lines, mut files, mut left_out) = (Vec::new(), 0, 0);
        let mut unreadable = false;
        let mut question = self.held.then(Question::new).transpose()?;
        let mut sources = source::all(&self.paths, self.no_ignore);
        sources.extend(self.stdin.iter().map(|name| Source::standard_input(name)));
        for source in sources {
            match source.read() {
                Ok(source::Read::Text(text)) => {
                    files += 1;
                    lines.extend(found(&source.shown, &text));
                    if let Some(question) = &mut question {
                        question.add(&source.shown, &text);
                    }
                }
                Ok(source::Read::PassedOver(why)) => {
                    left_out += 1;
                    if source.named {
                        session.out.warning(&format!("{} was not read: {why}", source.shown));
                    }
                }
                Err(failure) => {
                    unreadable = true;
                    session.out.failure(&failure);
                }
            }
        }
        if let Some(question) = question {
            question.ask(session, &mut lines).await?;
        }
        if let Some(path) = &self.write_baseline {
            Baseline::write(path, &lines)?;
            let known = counted(lines.len(), "finding");
            session.out.note(&format!("{known} written to {}", path.display()));
            return Ok(if unreadable { Exit::Usage } else { Exit::Done });
        }
        if let Some(baseline) = &baseline {
            lines.retain(|line| !baseline.knows(&line.fingerprint));
        }
        report::print(session, self.sarif, &lines)?;
        session.out.note(&format!(
            "{} in {}, {} passed over (binary, or larger than {} MiB)",
            counted(lines.len(), "finding"),
            counted(files, "file"),
            counted(left_out, "file"),
            source::FILE_BYTES_MAX >> 20,
        ));
        Ok(match (unreadable, lines.is_empty()) {
            (true, _) => Exit::Usage,
            (false, true) => Exit::Done,
            (false, false) => Exit::Refused,
        })
    }
}

/// The findings of one file, with their lines.
fn found(path: &str, text: &str) -> Vec<Line> {
    let findings = scan(text, Format::of(path, text));
    let fingerprints = fingerprints(path, &findings);
    let each = findings.into_iter().zip(fingerprints);
    each.map(|(finding, fingerprint)| {
        let (line, column) = position(text, finding.range.start);
        Line { path: path.to_owned(), line, column, finding, fingerprint }
    })
    .collect()
}

/// Line and column of a byte, from 1; the column in characters.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..at];
    let begins = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[begins..].chars().count() + 1)
}

#[cfg(test)]
mod tests;
