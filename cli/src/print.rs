//! Printing: data goes to standard output, everything for people to standard error.

pub(crate) mod json;
pub(crate) mod rotation;
pub(crate) mod sarif;
pub(crate) mod schedule;
mod screen;
pub(crate) mod status;
pub(crate) mod time;
pub(crate) mod trace;

pub(crate) use crate::failure::plain;
use crate::{config::Config, failure::Failure};
use serde::Serialize;
use std::io::{self, IsTerminal, Write};

/// Knows how the operator wants to read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Printer {
    /// Whether `--json` was given.
    pub(crate) json: bool,
    /// Whether standard output is a terminal.
    pub(crate) terminal: bool,
    color: bool,
    color_errors: bool,
}

impl Printer {
    /// Colour is for terminals, and only where nobody said no.
    pub(crate) fn new(config: &Config, json: bool) -> Self {
        let terminal = io::stdout().is_terminal();
        Self {
            json,
            terminal,
            color: terminal && !config.no_color,
            color_errors: io::stderr().is_terminal() && !config.no_color,
        }
    }

    /// As for a pipe: no colour, no JSON.
    #[cfg(test)]
    pub(crate) fn plain() -> Self {
        Self { json: false, terminal: false, color: false, color_errors: false }
    }

    /// One line of data.
    pub(crate) fn line(&self, text: &str) -> Result<(), Failure> {
        Ok(writeln!(io::stdout().lock(), "{text}")?)
    }

    /// Bytes as they are.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        out.write_all(bytes)?;
        Ok(out.flush()?)
    }

    /// One JSON document on one line.
    pub(crate) fn json(&self, document: &impl Serialize) -> Result<(), Failure> {
        let mut text = serde_json::to_vec(document).map_err(io::Error::other)?;
        text.push(b'\n');
        self.bytes(&text)
    }

    /// Rows under a header, in columns. Nothing but the header where there are none.
    pub(crate) fn table(&self, header: &[&str], rows: &[Vec<String>]) -> Result<(), Failure> {
        self.table_lines(header, rows).iter().try_for_each(|line| self.line(line))
    }

    /// The lines of a table.
    pub(crate) fn table_lines(&self, header: &[&str], rows: &[Vec<String>]) -> Vec<String> {
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
            widest.max(header[column].len())
        };
        let widths: Vec<usize> = (0..header.len()).map(width).collect();
        let header: Vec<String> = header.iter().map(|&title| title.to_owned()).collect();
        let header = self.strong(&columns(&header, &widths));
        std::iter::once(header).chain(rows.iter().map(|row| columns(row, &widths))).collect()
    }

    /// Rows and columns of the terminal that is written to.
    pub(crate) fn size(&self) -> (usize, usize) {
        let known = rustix::termios::tcgetwinsize(io::stdout()).ok();
        let known = known.filter(|size| size.ws_row > 0 && size.ws_col > 0);
        known.map_or(SIZE_UNKNOWN, |size| (size.ws_row.into(), size.ws_col.into()))
    }

    /// Something that people should know, on standard error.
    pub(crate) fn note(&self, text: &str) {
        self.tell(&plain(text));
    }

    /// Something that looks like a mistake and stops nothing, on standard error.
    pub(crate) fn warning(&self, text: &str) {
        self.tell(&format!("{} {}", self.label("warning:", "33"), plain(text)));
    }

    /// Why nothing came of it, on standard error.
    pub(crate) fn failure(&self, failure: &Failure) {
        let label = self.label("error:", "31");
        failure.lines(&label).iter().for_each(|line| self.tell(line));
    }

    /// Text that stands out on a terminal.
    pub(crate) fn strong(&self, text: &str) -> String {
        if self.color { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// Text of something that comes, green on a terminal.
    pub(crate) fn added(&self, text: &str) -> String {
        self.colored(text, "32")
    }

    /// Text of something that goes, red on a terminal.
    pub(crate) fn removed(&self, text: &str) -> String {
        self.colored(text, "31")
    }

    /// Text of something that becomes something else, yellow on a terminal.
    pub(crate) fn changed(&self, text: &str) -> String {
        self.colored(text, "33")
    }

    fn colored(&self, text: &str, color: &str) -> String {
        if self.color { format!("\u{1b}[{color}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn label(&self, text: &str, color: &str) -> String {
        if self.color_errors {
            format!("\u{1b}[{color};1m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    /// Nobody can be told that standard error is closed, so its errors are dropped.
    fn tell(&self, line: &str) {
        let _ = writeln!(io::stderr().lock(), "{line}");
    }
}

/// A version as people read it; `-` where there is none.
pub(crate) fn version(number: i64) -> String {
    if number == 0 { "-".to_owned() } else { format!("v{number}") }
}

/// A number of things: `1 stream`, `2 streams`.
pub(crate) fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

fn columns(cells: &[String], widths: &[usize]) -> String {
    let pad = |(cell, width): (&String, &usize)| {
        let cell = plain(cell);
        let missing = width.saturating_sub(cell.chars().count());
        format!("{cell}{}", " ".repeat(missing))
    };
    let line: Vec<String> = cells.iter().zip(widths).map(pad).collect();
    line.join("  ").trim_end().to_owned()
}

/// Rows and columns of a terminal that does not say.
const SIZE_UNKNOWN: (usize, usize) = (24, 80);

#[cfg(test)]
mod tests;
