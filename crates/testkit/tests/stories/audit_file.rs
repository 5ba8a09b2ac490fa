//! The audit trail as a file for whoever ships logs: every entry once and in order, whenever the
//! broker was killed and however often the file was full.

use anyhow::{Context, Result, ensure};
use secretref_broker::config::AuditFile;
use secretref_testkit::{broker::Broker, engine::Engine, on_both_engines, wait::eventually};
use serde_json::Value;
use std::{fs, path::Path};

on_both_engines!(each_entry_is_in_the_file_once_whatever_happens,);

const KILLS: usize = 6;
const FILES_MAX: u32 = 500;

async fn each_entry_is_in_the_file_once_whatever_happens(engine: Engine) -> Result<()> {
    let mut broker = Broker::start_configured(engine, &[], |file| {
        let path = "logs-for-shippers/audit.log".into();
        file.audit_file = Some(AuditFile { path, bytes_max: 4096, files_max: FILES_MAX });
    })
    .await?;
    let path = broker.data().join("logs-for-shippers/audit.log");
    let admin = broker.admin().await?;
    admin.put("before-there-is-a-folder", b"value").await?;
    // It waits for its folder, and serves meanwhile.
    let process = broker.process().context("the broker does not run")?;
    eventually("it says that it cannot write", async || {
        Ok(process.said()?.contains("the audit trail is not copied").then_some(()))
    })
    .await?;
    fs::create_dir(path.parent().context("no folder")?)?;
    for kill in 0..KILLS {
        let admin = broker.admin().await?;
        for number in 0..8 {
            admin.put(&format!("secret-{kill}-{number}"), b"value").await?;
        }
        broker.kill9()?;
        broker.serve()?;
    }
    let admin = broker.admin().await?;
    let lane = broker.id()?.to_string();
    eventually("the file has all of it", async || {
        let trail = admin.audit_trail().await?;
        let mut wanted: Vec<_> = trail.into_iter().filter(|it| it.lane == lane).collect();
        wanted.sort_by_key(|it| it.seq);
        let written = lines(&path)?;
        let numbers: Vec<i64> = written.iter().filter_map(|it| it["seq"].as_i64()).collect();
        let gapless = numbers.iter().zip(1..).all(|(number, wanted)| *number == wanted);
        ensure!(gapless, "a number is missing, or there twice: {numbers:?}");
        let same = wanted.iter().zip(&written).all(|(entry, line)| {
            let hash: String = entry.hash.iter().map(|byte| format!("{byte:02x}")).collect();
            line["hash"] == *hash && line["action"] == *entry.action && line["lane"] == *lane
        });
        ensure!(same, "a line is not what the trail says");
        Ok((written.len() >= wanted.len()).then_some(()))
    })
    .await?;
    let full = (1..=FILES_MAX).take_while(|it| numbered(&path, *it).exists()).count();
    ensure!(full > 3, "it was full {full} times only");
    for size in fs::read_dir(path.parent().context("no folder")?)? {
        ensure!(size?.metadata()?.len() <= 4096 + 100 * 1024, "a file is too large");
    }
    Ok(())
}

fn numbered(path: &Path, number: u32) -> std::path::PathBuf {
    path.with_extension(format!("log.{number}"))
}

/// All lines, the oldest first. What is moved while it is read is read again.
fn lines(path: &Path) -> Result<Vec<Value>> {
    let full = (1..=FILES_MAX).rev().map(|number| numbered(path, number));
    let mut lines = Vec::new();
    for path in full.chain([path.to_owned()]).filter(|path| path.exists()) {
        let text = fs::read_to_string(path)?;
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        for line in whole.lines() {
            lines.push(serde_json::from_str(line)?);
        }
    }
    Ok(lines)
}
