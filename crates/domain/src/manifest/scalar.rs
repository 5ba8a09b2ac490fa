//! Single values: texts, names, words of a set, dates, durations and modes. No error repeats what
//! was given: it may be a secret.

use super::{literal, problems::Problems, tables::nearest, walk::Node};
use crate::{
    clock::Timestamp,
    name::{NameError, SecretName},
};

/// Mode bits that a file may have: the owner reads and writes, the group reads.
const MODE_BITS: u32 = 0o640;
/// The bit without which nobody could use the file.
const MODE_READ: u32 = 0o400;
/// Longest time without the broker, in milliseconds: 90 days.
const STALE_MS_MAX: i64 = 90 * 24 * 3600 * 1000;
/// Shortest time without the broker, in milliseconds.
const STALE_MS_MIN: i64 = 1000;

/// A text of 1 to `bytes_max` bytes on one line.
pub(super) fn text<'v>(
    node: &Node<'v>,
    bytes_max: usize,
    problems: &mut Problems,
) -> Option<&'v str> {
    let given = prose(node, bytes_max, problems)?;
    if given.is_empty() {
        problems.add(&node.at, "the text is empty", "write something, or remove the key");
    } else if given.chars().any(char::is_control) {
        let fix = "remove line breaks, tabs and the like";
        problems.add(&node.at, "the text has a control character", fix);
    } else {
        return Some(given);
    }
    None
}

/// A text of at most `bytes_max` bytes, with line breaks or empty.
pub(super) fn prose<'v>(
    node: &Node<'v>,
    bytes_max: usize,
    problems: &mut Problems,
) -> Option<&'v str> {
    let Some(given) = node.value.as_str() else {
        node.wrong_type("a text", problems);
        return None;
    };
    if given.len() > bytes_max {
        let problem = format!("the text has {} bytes: {bytes_max} at most", given.len());
        problems.add(&node.at, problem, "shorten it");
        return None;
    }
    if given.contains('\0') {
        problems.add(&node.at, "the text has a NUL character", "remove it");
        return None;
    }
    Some(given)
}

/// `true` or `false`.
pub(super) fn flag(node: &Node<'_>, problems: &mut Problems) -> Option<bool> {
    let given = node.value.as_bool();
    if given.is_none() {
        node.wrong_type("`true` or `false` without quotes", problems);
    }
    given
}

/// A whole number from `least` to `most`.
pub(super) fn number(node: &Node<'_>, least: u64, most: u64, problems: &mut Problems) {
    match node.value.as_u64() {
        Some(given) if (least..=most).contains(&given) => {}
        _ if node.value.is_number() => {
            let problem = "the number is out of its range";
            problems.add(&node.at, problem, format!("write a whole number from {least} to {most}"));
        }
        _ => node.wrong_type(&format!("a whole number from {least} to {most}"), problems),
    }
}

/// A name of a grammar.
pub(super) fn name<N>(
    node: &Node<'_>,
    parse: fn(&str) -> Result<N, NameError>,
    problems: &mut Problems,
) -> Option<N> {
    let Some(given) = node.value.as_str() else {
        node.wrong_type("a name", problems);
        return None;
    };
    match parse(given) {
        Ok(name) => Some(name),
        Err(error) => {
            let problem = format!("it is not a valid {}: {}", error.kind, error.why);
            problems.add(&node.at, problem, format!("a {} is {}", error.kind, error.grammar));
            None
        }
    }
}

/// The name of a secret. A credential that stands there instead would pass as a name, and go into
/// logs as one; so the shapes of the well-known ones are refused.
pub(super) fn secret_name(node: &Node<'_>, problems: &mut Problems) -> Option<SecretName> {
    if node.value.as_str().is_some_and(literal::like_credential) {
        problems.add(
            &node.at,
            "a credential stands where the name of a ref belongs",
            "store it with `secretref put NAME`, write NAME here, and rotate it: it was in a file",
        );
        return None;
    }
    name(node, SecretName::parse, problems)
}

/// One word of a set.
pub(super) fn word<T: Copy>(
    node: &Node<'_>,
    set: &[(&'static str, T)],
    problems: &mut Problems,
) -> Option<T> {
    let words: Vec<&str> = set.iter().map(|(word, _)| *word).collect();
    let all = words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    let Some(given) = node.value.as_str() else {
        node.wrong_type(&format!("one of {all}"), problems);
        return None;
    };
    if let Some((_, meant)) = set.iter().find(|(word, _)| *word == given) {
        return Some(*meant);
    }
    let near = nearest(given, &words).unwrap_or_default();
    let fix = format!("write one of {all}; the nearest is `{near}`");
    problems.add(&node.at, "it is none of the words that may stand here", fix);
    None
}

/// A date, or a time with its zone.
pub(super) fn date(node: &Node<'_>, problems: &mut Problems) -> Option<Timestamp> {
    const FORM: &str = "a date such as \"2027-03-08\" or a time such as \"2027-03-08T04:12:00Z\"";
    let Some(given) = node.value.as_str() else {
        node.wrong_type(FORM, problems);
        return None;
    };
    let parsed = Timestamp::parse(given);
    if parsed.is_none() {
        problems.add(&node.at, "it is not a time that can be told", format!("write {FORM}"));
    }
    parsed
}

/// How long a value may be kept without a sign of the broker, in milliseconds.
pub(super) fn duration_ms(node: &Node<'_>, problems: &mut Problems) -> Option<i64> {
    const FORM: &str = "a time such as \"30s\", \"15m\", \"2h\" or \"7d\", from 1s to 90d";
    let Some(given) = node.value.as_str() else {
        node.wrong_type(FORM, problems);
        return None;
    };
    let ms = duration(given).filter(|ms| (STALE_MS_MIN..=STALE_MS_MAX).contains(ms));
    if ms.is_none() {
        let problem = "it is no time from 1 second to 90 days";
        problems.add(&node.at, problem, format!("write {FORM}"));
    }
    ms
}

/// A span of time from `least` to `most` milliseconds.
pub(super) fn span_ms(
    node: &Node<'_>,
    least: i64,
    most: i64,
    problems: &mut Problems,
) -> Option<i64> {
    let form = format!("a time such as \"500ms\", \"10s\" or \"2m\", from {least}ms to {most}ms");
    let Some(given) = node.value.as_str() else {
        node.wrong_type(&form, problems);
        return None;
    };
    let ms = duration(given).filter(|ms| (least..=most).contains(ms));
    if ms.is_none() {
        problems.add(&node.at, "it is no time within its range", format!("write {form}"));
    }
    ms
}

fn duration(given: &str) -> Option<i64> {
    let unit_at = given.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = given.split_at(unit_at);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 3600 * 1000,
        "d" => 24 * 3600 * 1000,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(unit_ms)
}

/// Mode of a file, as octal digits in a text: a bare 440 would be another number in YAML.
pub(super) fn mode(node: &Node<'_>, problems: &mut Problems) -> Option<u32> {
    const FORM: &str = "octal digits in quotes, such as \"0440\"";
    let Some(given) = node.value.as_str() else {
        node.wrong_type(FORM, problems);
        return None;
    };
    let octal = matches!(given.len(), 3 | 4) && given.bytes().all(|b| (b'0'..=b'7').contains(&b));
    let Some(mode) = octal.then(|| u32::from_str_radix(given, 8).ok()).flatten() else {
        problems.add(&node.at, "it is not a mode of a file", format!("write {FORM}"));
        return None;
    };
    if mode & !MODE_BITS != 0 || mode & MODE_READ == 0 {
        problems.add(
            &node.at,
            format!(
                "mode {mode:04o} is not allowed: the owner must read the file and may write \
                     it, the group may read it, and nothing else"
            ),
            "write one of \"0400\", \"0440\", \"0600\", \"0640\"",
        );
        return None;
    }
    Some(mode)
}
