//! Values that stand where refs belong. They are refused with what to write instead, and never
//! repeated, not even in part.

use super::{problems::Problems, walk::Node};
use crate::{name::SecretName, service};

/// Shorter values are no credential of a known shape.
const CREDENTIAL_BYTES_MIN: usize = 16;

/// Words in the name of a variable that holds a secret.
const SECRET_WORDS: [&str; 8] =
    ["TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL", "APIKEY", "API_KEY", "PRIVATE_KEY"];

/// Whether a text has the shape of a well-known credential, or a password in a URL.
pub(super) fn like_credential(given: &str) -> bool {
    let value = given.as_bytes();
    let known = || service::kind_of(value).or_else(|| service::begins_as(value)).is_some();
    given.starts_with("-----BEGIN ")
        || value.len() >= CREDENTIAL_BYTES_MIN && known()
        || has_password(given)
}

/// Whether a variable's name says that it holds a secret.
pub(super) fn names_secret(variable: &str) -> bool {
    let variable = variable.to_ascii_uppercase();
    SECRET_WORDS.iter().any(|word| variable.contains(word))
}

/// Whether a URL carries a user's name or password before its host.
pub(super) fn has_password(url: &str) -> bool {
    url.split_once("://").is_some_and(|(_, rest)| {
        rest.split(['/', '?', '#']).next().is_some_and(|host| host.contains('@'))
    })
}

/// Refuses a value in place of a credential, and says what to write and what to run.
pub(super) fn refuse_credential(node: &Node<'_>, tool: &str, key: &str, problems: &mut Problems) {
    let name = suggested(tool, key);
    let variable = name.to_ascii_uppercase().replace(['-', '.', '/'], "_");
    let variable = if variable.starts_with(|c: char| c.is_ascii_digit()) {
        format!("_{variable}")
    } else {
        variable
    };
    problems.add(
        &node.at,
        "a value stands where a ref belongs; a manifest holds no values",
        format!(
            "write `{}: {{\"secretRef\": \"{name}\", \"envVar\": \"{variable}\"}}`, run \
             `secretref put {name}`, and rotate the credential: it was in a file",
            serde_json::Value::from(key)
        ),
    );
}

/// Refuses a value in place of a ref that is for the broker itself.
pub(super) fn refuse_setting(node: &Node<'_>, name: &str, problems: &mut Problems) {
    let name = kebab(name);
    problems.add(
        &node.at,
        "a value stands where a ref belongs; a manifest holds no values",
        format!(
            "write `{{\"secretRef\": \"{name}\"}}`, run `secretref put {name}`, and rotate the \
             credential: it was in a file"
        ),
    );
}

/// A name for the secret of a tool's credential: `stripe-payment` and `apiKey` make
/// `stripe-payment-api-key`.
fn suggested(tool: &str, key: &str) -> String {
    kebab(&format!("{tool}-{key}"))
}

fn kebab(given: &str) -> String {
    let mut name = String::new();
    let mut lower = false;
    for c in given.chars() {
        if c.is_ascii_uppercase() && lower {
            name.push('-');
        }
        lower = c.is_ascii_lowercase() || c.is_ascii_digit();
        let kept = if c.is_ascii_alphanumeric() || c == '.' { c.to_ascii_lowercase() } else { '-' };
        if kept != '-' || !name.is_empty() && !name.ends_with('-') {
            name.push(kept);
        }
    }
    let name = name.trim_matches(|c| c == '-' || c == '.');
    SecretName::parse(name).map_or_else(|_| "new-secret".into(), |name| name.as_str().to_owned())
}
