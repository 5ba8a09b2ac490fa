//! A question before what takes something away.

use crate::failure::Failure;
use std::io::{self, BufRead, IsTerminal, Write};

/// Whether there is somebody who can be asked.
pub(super) fn can_ask() -> bool {
    io::stdin().is_terminal()
}

/// Asks on standard error; anything but `y` or `yes` is no.
pub(super) fn agreed(question: &str) -> Result<bool, Failure> {
    let unreadable = |error: io::Error| {
        Failure::usage(format!("the terminal cannot be asked: {error}"), "add --yes")
    };
    write!(io::stderr().lock(), "{question} [y/N] ").map_err(unreadable)?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(unreadable)?;
    Ok(is_yes(&answer))
}

fn is_yes(answer: &str) -> bool {
    ["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests;
