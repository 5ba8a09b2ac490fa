//! What a process uses, as /proc tells it.

use anyhow::{Context, Result};
use std::{fs, time::Duration};
use tokio::time::{Instant, sleep};

/// Processor time that a process has used, user and system, in microseconds. Linux counts it in
/// hundredths of a second, so only the sum over many operations says anything.
pub(crate) fn cpu_micros(pid: u32) -> Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold anything; fields 14 and 15 are counted from behind it.
    let (_, fields) = stat.rsplit_once(')').context("/proc/PID/stat has no name")?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
    let ticks = ticks.sum::<Result<u64, _>>().context("/proc/PID/stat holds no times")?;
    Ok(ticks * TICK_MICROS)
}

/// Memory that a process has resident, in bytes.
pub(crate) fn resident_bytes(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(kilobytes.context("/proc/PID/status holds no VmRSS")?.trim().parse::<u64>()? * 1024)
}

/// Waits until a process has done what it still had to do, and returns its processor time then.
pub(crate) async fn quiet(pid: u32) -> Result<u64> {
    let end = Instant::now() + QUIET_WAIT_MAX;
    let mut before = cpu_micros(pid)?;
    let mut still = 0;
    while still < QUIET_LOOKS && Instant::now() < end {
        sleep(QUIET_EVERY).await;
        let now = cpu_micros(pid)?;
        still = if now == before { still + 1 } else { 0 };
        before = now;
    }
    Ok(before)
}

/// `USER_HZ` is 100 on every architecture that Linux shows to programs.
const TICK_MICROS: u64 = 10_000;
const QUIET_EVERY: Duration = Duration::from_millis(20);
const QUIET_LOOKS: usize = 2;
const QUIET_WAIT_MAX: Duration = Duration::from_secs(5);
