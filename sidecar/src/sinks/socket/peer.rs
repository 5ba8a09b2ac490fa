//! Who is at the other end, as the kernel says it.
//!
//! The socket's mode already keeps others from connecting; this holds where the mode was changed
//! behind the sidecar's back, or a privileged process passed it by.

use std::{
    fs::File,
    io::{self, Read},
};
use tokio::net::UnixStream;

/// Why a peer is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("user {uid} may not read this agent's secrets: {why}")]
pub(super) struct Stranger {
    /// Its user.
    pub(super) uid: u32,
    why: String,
}

/// Lets in the sidecar's own user, root, and members of the shared group.
pub(super) fn check(stream: &UnixStream, group: Option<u32>) -> io::Result<Result<(), Stranger>> {
    let peer = stream.peer_cred()?;
    let me = rustix::process::geteuid().as_raw();
    let groups = || peer.pid().map_or(Ok(Vec::new()), groups_of);
    Ok(judge((peer.uid(), peer.gid()), me, group, groups))
}

fn judge(
    (uid, gid): (u32, u32),
    me: u32,
    group: Option<u32>,
    groups: impl FnOnce() -> io::Result<Vec<u32>>,
) -> Result<(), Stranger> {
    if uid == me || uid == 0 {
        return Ok(());
    }
    let Some(group) = group else {
        let why = format!("it is neither user {me} nor root, and there is no --group");
        return Err(Stranger { uid, why });
    };
    if gid == group {
        return Ok(());
    }
    let why = match groups() {
        Ok(groups) if groups.contains(&group) => return Ok(()),
        Ok(_) => format!("it is not in group {group}"),
        Err(error) => format!("it is not in group {group} as far as can be seen ({error})"),
    };
    Err(Stranger { uid, why })
}

/// Supplementary groups of a process: the line `Groups:` of its status (proc(5)).
fn groups_of(pid: i32) -> io::Result<Vec<u32>> {
    let mut text = String::new();
    let file = File::open(format!("/proc/{pid}/status"))?;
    file.take(STATUS_BYTES_MAX).read_to_string(&mut text)?;
    Ok(parse_groups(&text))
}

fn parse_groups(status: &str) -> Vec<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("Groups:"));
    let words = line.unwrap_or_default().split_ascii_whitespace();
    words.filter_map(|word| word.parse().ok()).collect()
}

const STATUS_BYTES_MAX: u64 = 1024 * 1024;

#[cfg(test)]
mod tests;
