//! The figures as a part of docs/performance.md: between two marks, with the machine and the date,
//! and by how much a target is missed.

use crate::{clock::now_micros, table::Table};
use anyhow::{Context, Result};
use secretref_domain::clock::Timestamp;
use std::{fmt::Write as _, fs, path::Path};

/// Writes tables between the marks of a page.
pub(crate) fn write(page: &Path, conditions: &str, tables: &[Table]) -> Result<()> {
    let text = fs::read_to_string(page).with_context(|| page.display().to_string())?;
    let marks = || format!("{} has not both {BEGIN:?} and {END:?}", page.display());
    let (before, rest) = text.split_once(BEGIN).with_context(marks)?;
    let (_, after) = rest.split_once(END).with_context(marks)?;
    let mut part = format!("{BEGIN}\nMeasured on {}: {conditions}\n", today());
    for table in tables {
        write!(part, "\n{}", table.markdown())?;
    }
    let missed: Vec<_> = tables.iter().flat_map(Table::missed).collect();
    match missed.as_slice() {
        [] => part.push_str("\nEvery target is kept.\n"),
        some => writeln!(part, "\nTargets that are missed: {}.", some.join("; "))?,
    }
    Ok(fs::write(page, format!("{before}{part}{END}{after}"))?)
}

fn today() -> String {
    let now = Timestamp::from_micros(now_micros()).to_string();
    now.split('T').next().unwrap_or_default().to_owned()
}

const BEGIN: &str = "<!-- make bench writes what follows -->";
const END: &str = "<!-- to here -->";
