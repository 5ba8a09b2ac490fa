//! The command line.

use anyhow::{Context, Result, bail, ensure};
use std::{collections::BTreeSet, path::PathBuf};

/// What to do.
pub(crate) enum Task {
    /// Measure and print.
    Measure(Options),
    /// Be the limit: a server in a process of its own.
    Limit(LimitOptions),
    /// Be a program that says when it was started.
    Moment,
    /// Print how to use it.
    Help,
}

/// What to measure.
pub(crate) struct Options {
    /// How many sidecars, one row of figures for each.
    pub(crate) sidecars: Vec<usize>,
    /// Rounds of each figure that count.
    pub(crate) rounds: usize,
    /// Which figures.
    pub(crate) only: BTreeSet<Section>,
    /// Print JSON.
    pub(crate) json: bool,
    /// The page that the tables are written into.
    pub(crate) write: Option<PathBuf>,
}

/// A group of figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Section {
    /// Processes that do nothing.
    Idle,
    /// One agent with N instances.
    Instances,
    /// N agents bound to one secret.
    Agents,
    /// Reads and puts per second.
    Rates,
    /// Deliveries with and without their record.
    Record,
    /// A server started again under its clients.
    Restart,
    /// Start of a program under `secretref run`.
    Run,
    /// An audit trail is verified.
    Verify,
}

/// What the limit is started with.
pub(crate) struct LimitOptions {
    /// Database for its one commit.
    pub(crate) database_url: String,
    /// Folder that its clients' certificate goes to.
    pub(crate) folder: PathBuf,
}

impl Task {
    /// Reads the words after the program's name.
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = Options {
            sidecars: vec![1, 100, 1000, 5000],
            rounds: 15,
            only: SECTIONS.iter().map(|(_, section)| *section).collect(),
            json: false,
            write: None,
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} needs a value"));
            match word.as_str() {
                "limit" => {
                    let (database_url, folder) = (value()?, value()?.into());
                    return Ok(Self::Limit(LimitOptions { database_url, folder }));
                }
                "moment" => return Ok(Self::Moment),
                "--sidecars" => options.sidecars = counts(&value()?)?,
                "--rounds" => options.rounds = number(&value()?, ROUNDS_MIN, ROUNDS_MAX)?,
                "--only" => options.only = sections(&value()?)?,
                "--json" => options.json = true,
                "--write" => options.write = Some(value()?.into()),
                "--help" | "-h" => return Ok(Self::Help),
                _ => bail!("{word:?} is unknown.\n\n{HELP}"),
            }
        }
        Ok(Self::Measure(options))
    }
}

fn counts(text: &str) -> Result<Vec<usize>> {
    text.split(',').map(|part| number(part, 1, SIDECARS_MAX)).collect()
}

fn number(text: &str, min: usize, max: usize) -> Result<usize> {
    let number = text.trim().parse().with_context(|| format!("{text:?} is not a number"))?;
    ensure!((min..=max).contains(&number), "{number} is not within {min} to {max}");
    Ok(number)
}

fn sections(text: &str) -> Result<BTreeSet<Section>> {
    let known = |part: &str| {
        let found = SECTIONS.iter().find(|(name, _)| *name == part.trim());
        let names: Vec<_> = SECTIONS.iter().map(|(name, _)| *name).collect();
        let unknown = || format!("{part:?} is none of {}", names.join(", "));
        found.map(|(_, section)| *section).with_context(unknown)
    };
    text.split(',').map(known).collect()
}

/// How to use it.
pub(crate) const HELP: &str = "\
bench: what a push costs, beside a bare tonic fan-out as the limit

  --sidecars 1,100,1000,5000  how many sidecars, one table for each; 5000 at most
  --rounds 15                 rounds of each figure that count; 5 to 1000
  --only a,b                  of: idle, instances, agents, rates, record, restart, run, verify
  --json                      print JSON in place of tables
  --write PAGE                write the tables between the marks of a page too";

const SECTIONS: [(&str, Section); 8] = [
    ("idle", Section::Idle),
    ("instances", Section::Instances),
    ("agents", Section::Agents),
    ("rates", Section::Rates),
    ("record", Section::Record),
    ("restart", Section::Restart),
    ("run", Section::Run),
    ("verify", Section::Verify),
];
const SIDECARS_MAX: usize = 5000;
const ROUNDS_MIN: usize = 5;
const ROUNDS_MAX: usize = 1000;
