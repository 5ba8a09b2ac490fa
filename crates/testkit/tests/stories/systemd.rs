//! docs/systemd: what the units start is what the programs take, and they may no more than they
//! need.

use anyhow::{Context, Result, ensure};
use clap::Parser;
use secretref_broker::config::Arguments;
use secretref_sidecar::config;
use std::{ffi::OsString, fs, path::PathBuf, process::Command};

fn unit(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/systemd").join(name)
}

/// The words of a unit's `ExecStart`, for one agent.
fn started(name: &str) -> Result<Vec<OsString>> {
    let text = fs::read_to_string(unit(name))?.replace("\\\n", " ");
    let line = text.lines().find_map(|line| line.strip_prefix("ExecStart="));
    let line = line.context("no ExecStart")?.replace("%i", "payment-analyst");
    let line = line.replace("--group secretref-payment-analyst", "--group 1000");
    let line = line.replace("%d", "/run/credentials").replace("${BROKERS}", "a:7443,b:7443");
    Ok(line.split_whitespace().map(OsString::from).collect())
}

#[test]
fn the_units_start_what_the_programs_take() -> Result<()> {
    Arguments::try_parse_from(started("secretref-broker.service")?)?;
    let words = started("secretref-sidecar@.service")?;
    ensure!(words[0] == "/usr/local/bin/secretref-sidecar", "{words:?}");
    config::parse(words.into_iter().skip(1))?;
    Ok(())
}

#[test]
fn the_units_may_no_more_than_they_need() -> Result<()> {
    for name in ["secretref-broker.service", "secretref-sidecar@.service"] {
        let mut command = Command::new("systemd-analyze");
        command.args(["security", "--offline=true", "--threshold=15"]).arg(unit(name));
        let Ok(done) = command.output() else {
            eprintln!("systemd-analyze is not there: the units' limits are NOT tested");
            return Ok(());
        };
        let said = String::from_utf8_lossy(&done.stdout);
        ensure!(done.status.success(), "{name}: {}", said.lines().last().unwrap_or_default());
    }
    Ok(())
}
