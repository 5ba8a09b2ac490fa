//! SARIF 2.1.0, the format in which code hosts take findings (OASIS, Static Analysis Results
//! Interchange Format): one run, its rules, its results.

use serde::Serialize;
use serde_json::{Value, json};

/// Something that was found in a file, as SARIF tells it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Finding {
    /// Id of the rule, such as `github-token`; one of the document's rules.
    pub(crate) rule: String,
    /// How bad it is.
    pub(crate) level: Level,
    /// One sentence, without any value of a secret.
    pub(crate) message: String,
    /// The file as it was named on the command line, or found below it.
    pub(crate) path: String,
    /// Line in the file, from 1; none where the finding is of the file as a whole.
    pub(crate) line: Option<usize>,
    /// Column in characters, from 1.
    pub(crate) column: Option<usize>,
    /// What stays the same while the finding does, in hexadecimal.
    pub(crate) fingerprint: String,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// It is wrong.
    Error,
    /// It may be wrong.
    Warning,
}

/// What is looked for.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    /// Its id, such as `github-token`.
    pub(crate) id: String,
    /// One sentence.
    pub(crate) what: String,
    /// How a finding is mended.
    pub(crate) fix: String,
}

/// The document of one run. `uses` names the fingerprints, such as `secretrefScan/v1`.
pub(crate) fn document(uses: &str, rules: &[Rule], findings: &[Finding]) -> Value {
    let rules: Vec<Value> = rules.iter().map(rule).collect();
    let results: Vec<Value> = findings.iter().map(|finding| result(uses, finding)).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "secretref",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(rule: &Rule) -> Value {
    json!({
        "id": rule.id,
        "shortDescription": {"text": rule.what},
        "help": {"text": rule.fix},
        // What code hosts rank by; a credential in a file is critical.
        "properties": {"tags": ["security"], "security-severity": "9.0"},
    })
}

fn result(uses: &str, finding: &Finding) -> Value {
    let mut place = json!({"artifactLocation": {"uri": uri(&finding.path)}});
    if let Some(line) = finding.line {
        place["region"] = match finding.column {
            Some(column) => json!({"startLine": line, "startColumn": column}),
            None => json!({"startLine": line}),
        };
    }
    json!({
        "ruleId": finding.rule,
        "level": finding.level,
        "message": {"text": finding.message},
        "locations": [{"physicalLocation": place}],
        "partialFingerprints": {uses: finding.fingerprint},
    })
}

/// A path as a reference of RFC 3986: `/` stays, what is not unreserved is encoded.
fn uri(path: &str) -> String {
    let path = path.strip_prefix("./").unwrap_or(path);
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(char::from(byte));
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    if path.starts_with('/') { format!("file://{uri}") } else { uri }
}

#[cfg(test)]
mod tests;
