//! Who goes to which broker.

use super::finding::{Finding, Severity};
use crate::{
    connect::certificate::Ending,
    failure::Failure,
    profile::{Files, Profile},
};
use std::{fs, os::unix::fs::MetadataExt};

/// What is worth a finding.
pub(super) fn findings(
    profile: &Profile,
    files: &Result<(), Failure>,
    ending: Option<Ending>,
    option: &str,
) -> Vec<Finding> {
    let mut found = Vec::new();
    let (cert, key) = (profile.cert.display().to_string(), profile.key.display().to_string());
    let renew = format!("secretref admin renew{option}");
    if let Err(failure) = files {
        // Told apart by what could be read: an open key, no file, or files that do not fit.
        let readable = [&profile.ca, &profile.cert, &profile.key].map(fs::metadata);
        let code = match &readable {
            [Ok(_), Ok(_), Ok(key)] if key.mode() & 0o077 != 0 => "key-not-private",
            [Ok(_), Ok(_), Ok(_)] if Files::of(profile).is_interrupted() => "renewal-interrupted",
            [Ok(_), Ok(_), Ok(_)] => "files-do-not-fit",
            _ => "file-missing",
        };
        found.push(Finding::of(code, &key, failure));
    }
    match ending {
        Some(ending) if ending.is_over() => {
            let over = ending.as_failure();
            found.extend(over.map(|over| Finding::of("certificate-ended", &cert, &over)));
        }
        Some(ending) => {
            if let Some(soon) = ending.as_warning() {
                let code = "certificate-ends-soon";
                found.push(Finding::new(code, Severity::Warning, cert, soon, renew));
            }
        }
        None => {}
    }
    found
}
