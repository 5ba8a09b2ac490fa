//! `make bench`: what a push costs, from just before it is put until the last sidecar has it,
//! beside a bare tonic fan-out as the limit. `docs/performance.md` says how it is measured.
//!
//! Nothing is asserted about time. It fails where a delivery is missing, comes twice, or has a
//! wrong value.

#![expect(clippy::cast_precision_loss, reason = "figures are rounded to three digits anyway")]

mod clock;
mod fleet;
mod idle;
mod limit;
mod options;
mod page;
mod push;
mod rates;
mod record;
mod restart;
mod run;
mod servers;
mod table;
mod usage;
mod verify;
mod wire;

use anyhow::{Context, Result};
use options::{HELP, Options, Section, Task};
use push::Contestant;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use secretref_testkit::postgres::Postgres;
use serde_json::json;
use servers::{Broker, Limit, Server, Shape};
use std::io::{self, Write};
use table::{LIMIT, Table};

#[tokio::main]
async fn main() -> Result<()> {
    match Task::parse(std::env::args().skip(1))? {
        Task::Help => Ok(writeln!(io::stdout(), "{HELP}")?),
        Task::Moment => run::say_moment(),
        Task::Limit(options) => limit::serve(options).await,
        Task::Measure(options) => measure(&options).await,
    }
}

async fn measure(options: &Options) -> Result<()> {
    raise_descriptor_limit()?;
    let cluster = tokio::task::spawn_blocking(Postgres::start).await??;
    let mut contestants = start(&cluster).await?;
    let print = |table: &Table| -> Result<()> {
        if !options.json {
            writeln!(io::stdout(), "{table}")?;
        }
        Ok(())
    };
    if !options.json {
        writeln!(io::stdout(), "{}\n", conditions()?)?;
    }
    let mut tables = Vec::new();
    if options.only.contains(&Section::Idle) {
        tables.push(idle::measure(&mut contestants).await?);
        tables.last().map_or(Ok(()), print)?;
    }
    let largest = options.sidecars.iter().copied().max();
    let mut courses = Vec::new();
    if options.only.contains(&Section::Instances) {
        courses.extend(options.sidecars.iter().map(|count| (Shape::Instances, *count)));
    }
    if options.only.contains(&Section::Agents) {
        let most = options.sidecars.iter().copied().filter(|count| *count <= AGENTS_MAX).max();
        courses.extend(most.map(|count| (Shape::Agents, count)));
    }
    for (shape, count) in courses {
        tables.push(push::measure(&mut contestants, shape, count, options.rounds).await?);
        tables.last().map_or(Ok(()), print)?;
    }
    if options.only.contains(&Section::Rates) {
        tables.push(rates::measure(&mut contestants).await?);
        tables.last().map_or(Ok(()), print)?;
    }
    if options.only.contains(&Section::Record) {
        tables.extend(record::measure(&mut contestants).await?);
        tables.last().map_or(Ok(()), print)?;
    }
    if options.only.contains(&Section::Restart)
        && let Some(count) = largest
    {
        tables
            .push(restart::measure(&mut contestants, count, options.rounds.min(ROUNDS_MAX)).await?);
        tables.last().map_or(Ok(()), print)?;
    }
    if options.only.contains(&Section::Run) {
        tables.push(run::measure(&contestants, options.rounds).await?);
        tables.last().map_or(Ok(()), print)?;
    }
    if options.only.contains(&Section::Verify) {
        tables.push(verify::measure(options.rounds)?);
        tables.last().map_or(Ok(()), print)?;
    }
    if let Some(path) = &options.write {
        page::write(path, &conditions()?.replace('\n', " "), &tables)?;
    }
    if options.json {
        let tables: Vec<_> = tables.iter().map(Table::json).collect();
        let all = json!({ "conditions": conditions()?, "tables": tables });
        writeln!(io::stdout(), "{all:#}")?;
    }
    Ok(())
}

/// Agents with a binding of their own that are measured at most.
const AGENTS_MAX: usize = 1000;
/// Starts of a server that are measured at most: each takes as long as all clients do to connect.
const ROUNDS_MAX: usize = 10;

async fn start(cluster: &Postgres) -> Result<Vec<Contestant>> {
    let limit = Limit::start(cluster.create_database().await?).await.context("the limit")?;
    let on_postgres = Broker::start(Some(&cluster.create_database().await?)).await?;
    let on_sqlite = Broker::start(None).await?;
    Ok(vec![
        Contestant { name: LIMIT, server: Server::Limit(Box::new(limit)) },
        Contestant { name: "postgres", server: Server::Broker(Box::new(on_postgres)) },
        Contestant { name: "sqlite", server: Server::Broker(Box::new(on_sqlite)) },
    ])
}

/// What the figures depend on.
fn conditions() -> Result<String> {
    let cores = std::thread::available_parallelism()?;
    let load = std::fs::read_to_string("/proc/loadavg")?;
    let load = load.split_whitespace().next().unwrap_or_default();
    let build = if cfg!(debug_assertions) {
        "a build without optimisation, whose figures say NOTHING"
    } else {
        "release builds"
    };
    Ok(format!(
        "{cores} cores that servers, database and clients share, load average {load} at the \
         start; {build}.\nLoopback, mutual TLS 1.3; databases in memory where there is room, \
         fsync on. Policy, decryption, row MACs and audit are on.\nLimits of the broker that were \
         raised: none (each client is an identity of its own, with one connection).\n\
         Columns: limit = bare tonic fan-out with one Postgres commit; postgres, sqlite = the \
         broker; ratio = broker / limit."
    ))
}

/// Each client holds a handful of descriptors.
fn raise_descriptor_limit() -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?)
}
