//! Values that look like examples: somebody pasted what the documentation shows.

/// Whether a value looks like an example rather than a credential: it has one of the words that
/// examples have, or a run of one character over a third of it. A guess for a warning; never a
/// reason to refuse a value.
#[must_use]
pub fn looks_like_example(value: &[u8]) -> bool {
    let lower = value.to_ascii_lowercase();
    let has = |word: &&str| lower.windows(word.len()).any(|part| part == word.as_bytes());
    if WORDS.iter().any(has) {
        return true;
    }
    let run = longest_run(&lower);
    run >= RUN_BYTES_MIN && run * 3 >= lower.len()
}

fn longest_run(bytes: &[u8]) -> usize {
    let runs = bytes.chunk_by(|one, next| one == next);
    runs.filter(|run| !run[0].is_ascii_whitespace()).map(<[u8]>::len).max().unwrap_or(0)
}

const WORDS: [&str; 14] = [
    "example",
    "placeholder",
    "changeme",
    "change-me",
    "change_me",
    "your-",
    "your_",
    "replace-me",
    "replace_me",
    "replaceme",
    "dummy",
    "insert-",
    "__openclaw_redacted__",
    "<secret>",
];
const RUN_BYTES_MIN: usize = 6;

#[cfg(test)]
mod tests;
