//! What looks like a credential and is none: examples, places for values, refs, hashes.

use crate::{placeholder::looks_like_example, service::spelled};

/// Whether a value whose shape is right is an example all the same.
pub(super) fn shaped(value: &[u8]) -> bool {
    looks_like_example(value) || counts(value)
}

/// Whether what stands under a name is no credential: the name of one, where it is, how many.
pub(super) fn named(name: &str) -> bool {
    let name = spelled(name);
    ENDS.iter().any(|end| name.ends_with(end)) || WORDS.iter().any(|word| name.contains(word))
}

/// Whether a value stands for another, is an example, or is of a shape that others have too.
pub(super) fn value(value: &str) -> bool {
    let value = value.trim();
    looks_like_example(value.as_bytes())
        || counts(value.as_bytes())
        || stands_for_another(value)
        || value.contains("://")
        || value.starts_with(['/', '.', '~', '#', '@'])
        || value.contains(['(', ')', '{', '}', '<', '>', ' ', '\n'])
        || value.starts_with("sha256-")
        || value.starts_with("sha384-")
        || value.starts_with("sha512-")
        || value.starts_with("-----BEGIN ")
        || value.starts_with("ssh-")
        || value.starts_with("ecdsa-")
}

/// `$NAME`, `${NAME}`, `{{ name }}`, `<name>`, `%NAME%`, `***`, `process.env.NAME`, `!ref`.
fn stands_for_another(value: &str) -> bool {
    let begins =
        ["$", "{", "<", "[", "%", "*", "!", "&", "process.", "env.", "env:", "os.", "var."];
    let begins_other =
        ["vault:", "secret:", "ref:", "file:", "arn:", "ref+", "op:", "ssm:", "ENC["];
    begins.iter().chain(&begins_other).any(|it| value.starts_with(it))
}

/// `0123456789`, `abcdefgh`: nobody draws that.
fn counts(value: &[u8]) -> bool {
    let mut run = 1;
    for pair in value.windows(2) {
        run = if pair[1] == pair[0].wrapping_add(1) { run + 1 } else { 1 };
        if run >= COUNTED_MIN {
            return true;
        }
    }
    false
}

const COUNTED_MIN: usize = 8;
/// Ends of names whose values are public, as [`spelled`].
const ENDS: [&str; 20] = [
    "id", "url", "uri", "path", "file", "name", "type", "endpoint", "length", "count", "field",
    "header", "version", "hash", "checksum", "digest", "prefix", "ttl", "ref", "env",
];
/// Words of names whose values are public.
const WORDS: [&str; 8] = [
    "public",
    "integrity",
    "fingerprint",
    "tokenizer",
    "maxtoken",
    "secretref",
    "resourceversion",
    "csrf",
];

#[cfg(test)]
mod tests;
