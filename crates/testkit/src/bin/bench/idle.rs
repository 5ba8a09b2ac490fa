//! Processes that do nothing.

use crate::{
    push::{Contestant, MEGABYTE},
    servers::{Broker, Server, Shape},
    table::{Figure, Table, Target},
    usage::{quiet, resident_bytes},
};
use anyhow::{Context, Result};
use secretref_testkit::{
    process::{Process, binary},
    tmpfs,
    wait::eventually,
};
use std::{
    fs::{self, DirBuilder, Permissions},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    process::Command,
};

/// Measures servers without a stream, and a real sidecar that has its set.
pub(crate) async fn measure(contestants: &mut [Contestant]) -> Result<Table> {
    let mut table = Table::new("resident memory of processes that do nothing".to_owned());
    let mut figures = Vec::new();
    for contestant in contestants.iter_mut() {
        contestant.server.restart().await?;
        let pid = contestant.server.pid()?;
        quiet(pid).await?;
        figures.push(Figure::new(contestant.name, resident_bytes(pid)? as f64 / MEGABYTE));
    }
    table.add("server", "MB", figures, Some(Target::NumberMax(15.0)));
    let mut figures = Vec::new();
    for contestant in contestants.iter() {
        let megabytes = match &contestant.server {
            Server::Broker(broker) => sidecar_bytes(broker).await? as f64 / MEGABYTE,
            Server::Limit(_) => f64::NAN,
        };
        figures.push(Figure::new(contestant.name, megabytes));
    }
    table.add("sidecar", "MB", figures, Some(Target::NumberMax(8.0)));
    Ok(table)
}

async fn sidecar_bytes(broker: &Broker) -> Result<u64> {
    broker.prepare(Shape::Instances, 1).await?;
    let folder = tmpfs::folder("secretref-bench-sidecar-")?;
    let [state, secrets, token] = ["state", "secrets", "token"].map(|it| folder.path().join(it));
    for private in [&state, &secrets] {
        DirBuilder::new().mode(0o700).create(private)?;
    }
    fs::write(&token, broker.admin()?.token("bench").await?)?;
    fs::set_permissions(&token, Permissions::from_mode(0o600))?;
    let mut command = Command::new(binary("secretref-sidecar")?);
    command.args(["run", "--log-level", "warn", "--broker", broker.agents()]);
    command.arg("--state-dir").arg(&state).arg("--secrets-dir").arg(&secrets);
    command.arg("--token-file").arg(&token);
    let sidecar = Process::start("sidecar", &mut command, folder.path())?;
    eventually("the sidecar has its file", async || {
        Ok(secrets.join("BENCH_KEY").exists().then_some(()))
    })
    .await
    .with_context(|| sidecar.said().unwrap_or_default())?;
    quiet(sidecar.pid()).await?;
    resident_bytes(sidecar.pid())
}
