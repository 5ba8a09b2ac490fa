//! How often a story repeats itself: a number that `make test` can afford, or what `make soak` asks
//! for.

use std::env;

/// `SECRETREF_SOAK_COUNT` where it is set, else `published` in a soak, else `usual`.
pub(crate) fn count(usual: usize, published: usize) -> usize {
    let asked = env::var("SECRETREF_SOAK_COUNT").unwrap_or_default();
    if !asked.is_empty() {
        return asked.parse().expect("COUNT is a number");
    }
    if env::var_os("SECRETREF_SOAK").is_some() { published } else { usual }
}

/// Prints a figure of a soak, so that it can be published.
#[expect(clippy::print_stdout, reason = "a soak is run for its figures")]
pub(crate) fn figure(story: &str, text: &str) {
    println!("{story}: {text}");
}
