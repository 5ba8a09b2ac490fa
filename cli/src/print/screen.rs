//! A terminal that is drawn over again and again.

use super::Printer;
use crate::failure::Failure;

impl Printer {
    /// Draws over what was drawn before, so that nothing flickers and nothing scrolls. `rest` says
    /// how to see what does not fit.
    pub(crate) fn draw(&self, lines: Vec<String>, first: bool, rest: &str) -> Result<(), Failure> {
        let (rows, columns) = self.size();
        let lines = fit(lines, rows.saturating_sub(1), columns, rest);
        let drawn: String = lines.iter().map(|line| format!("{line}{TO_END_OF_LINE}\n")).collect();
        let start = if first { CLEAR } else { HOME };
        self.bytes(format!("{start}{drawn}{TO_END_OF_SCREEN}").as_bytes())
    }
}

/// What fits on a terminal of so many rows and columns, with a last line that says what does not.
fn fit(mut lines: Vec<String>, rows: usize, columns: usize, rest: &str) -> Vec<String> {
    let height = |line: &String| line.chars().count().div_ceil(columns.max(1)).max(1);
    let mut used = 0;
    let fitting = lines
        .iter()
        .take_while(|line| {
            used += height(line);
            used <= rows
        })
        .count();
    if fitting == lines.len() {
        return lines;
    }
    // Whatever stood last makes room for the line that says so.
    let kept = fitting.saturating_sub(1);
    let left = lines.len() - kept;
    lines.truncate(kept);
    lines.push(format!("… and {left} more lines; {rest}"));
    lines
}

const CLEAR: &str = "\x1b[H\x1b[2J";
const HOME: &str = "\x1b[H";
const TO_END_OF_LINE: &str = "\x1b[K";
const TO_END_OF_SCREEN: &str = "\x1b[J";

#[cfg(test)]
mod tests;
