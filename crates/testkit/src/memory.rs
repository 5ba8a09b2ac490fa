//! How much memory and how many sockets a process holds, as the system counts them.

use anyhow::{Context, Result};
use std::fs;

/// Resident memory of a process, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// Now.
    pub resident_bytes: u64,
    /// At most, since the process started or [`reset_peak`] was called.
    pub peak_bytes: u64,
}

/// Reads it.
///
/// # Errors
/// Where the process is gone.
pub fn of(pid: u32) -> Result<Memory> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))
        .with_context(|| format!("the status of process {pid}"))?;
    Ok(Memory { resident_bytes: field(&status, "VmRSS:")?, peak_bytes: field(&status, "VmHWM:")? })
}

/// Lets the peak begin at what is held now.
///
/// # Errors
/// Where the process is gone, or is another user's.
pub fn reset_peak(pid: u32) -> Result<()> {
    fs::write(format!("/proc/{pid}/clear_refs"), "5")
        .with_context(|| format!("resetting the peak of process {pid}"))
}

/// How many sockets a process has open. Files are left out: a database opens another one of its
/// own accord.
///
/// # Errors
/// Where the process is gone, or is another user's.
pub fn sockets(pid: u32) -> Result<usize> {
    let mut sockets = 0;
    for open in fs::read_dir(format!("/proc/{pid}/fd"))? {
        // One that is closed meanwhile is none.
        let leads_to = fs::read_link(open?.path()).unwrap_or_default();
        sockets += usize::from(leads_to.to_string_lossy().starts_with("socket:"));
    }
    Ok(sockets)
}

fn field(status: &str, name: &str) -> Result<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(kilobytes.with_context(|| format!("no {name}"))?.trim().parse::<u64>()? * 1024)
}

#[cfg(test)]
mod tests;
