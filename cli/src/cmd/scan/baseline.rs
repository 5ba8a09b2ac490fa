//! The findings that were there before: a file of fingerprints, to be kept beside the code.

use super::report::Line;
use crate::failure::{Exit, Failure};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, fs, path::Path};

/// Fingerprints that are no news.
pub(super) struct Baseline(BTreeSet<String>);

/// ```json
/// {"version": 1, "findings": [{"fingerprint": "…", "path": "a.env", "rule": "github-token"}]}
/// ```
#[derive(Serialize, Deserialize)]
struct Written {
    version: u32,
    findings: Vec<Known>,
}

/// For people there is where it was; only the fingerprint counts.
#[derive(Serialize, Deserialize)]
struct Known {
    fingerprint: String,
    path: String,
    rule: String,
}

impl Baseline {
    /// Reads what [`Self::write`] wrote.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let again = format!("secretref scan PATH… --write-baseline {shown}");
        let wrong = |why: String| {
            let what = format!("the baseline {shown} cannot be read: {why}");
            Failure::usage(what, again.clone())
        };
        let text = fs::read(path).map_err(|error| wrong(error.to_string()))?;
        let written: Written =
            serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
        if written.version != VERSION {
            return Err(wrong(format!("it is of version {}, not {VERSION}", written.version)));
        }
        Ok(Self(written.findings.into_iter().map(|known| known.fingerprint).collect()))
    }

    /// Writes the fingerprints of all findings.
    pub(super) fn write(path: &Path, lines: &[Line]) -> Result<(), Failure> {
        let known = |line: &Line| Known {
            fingerprint: line.fingerprint.clone(),
            path: line.path.clone(),
            rule: line.finding.id.to_owned(),
        };
        let written = Written { version: VERSION, findings: lines.iter().map(known).collect() };
        let mut text = serde_json::to_vec_pretty(&written).map_err(std::io::Error::other)?;
        text.push(b'\n');
        fs::write(path, text).map_err(|error| {
            let what = format!("{} cannot be written: {error}", path.display());
            Failure::new(Exit::Refused, what, "name another file")
        })
    }

    /// Whether a finding was there before.
    pub(super) fn knows(&self, fingerprint: &str) -> bool {
        self.0.contains(fingerprint)
    }
}

const VERSION: u32 = 1;
