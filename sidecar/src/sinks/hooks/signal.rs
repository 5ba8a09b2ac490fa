//! A signal to the process that a pid file names.
//!
//! A number in a file is only a hint of a process: it may be old, or a lie of whoever may write
//! the file. So the file's owner is checked, the process is held by a handle (pidfd), only then
//! the file is read again and the process looked at, and the signal goes through the handle. What
//! is left is a file of a dead program whose number another program *of the same user* has got.

use rustix::{
    fs::{self, CWD, FileType, Mode, OFlags},
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};
use std::{
    fs::File,
    io::{self, Read},
};

/// Longest pid file, in bytes.
const PID_FILE_BYTES_MAX: u64 = 32;

/// Sends it. Blocks for moments.
pub(super) fn send(signal: &str, pid_file: &str, group: Option<u32>) -> Result<(), String> {
    let signal = number(signal).ok_or_else(|| format!("there is no signal {signal}"))?;
    let named = read(pid_file, group)?;
    let process = Pid::from_raw(named.pid).ok_or("its number is none")?;
    let gone = |errno: rustix::io::Errno| match errno {
        rustix::io::Errno::SRCH => format!("process {} does not run", named.pid),
        other => format!("process {}: {other}", named.pid),
    };
    let handle = pidfd_open(process, PidfdFlags::empty()).map_err(gone)?;
    if read(pid_file, group)? != named {
        return Err("the pid file changed meanwhile".to_owned());
    }
    let me = rustix::process::geteuid().as_raw();
    let runs_as = user_of(named.pid).map_err(|error| format!("process {}: {error}", named.pid))?;
    if named.owner != 0 && named.owner != me && runs_as != named.owner {
        let (pid, owner) = (named.pid, named.owner);
        return Err(format!(
            "process {pid} runs as user {runs_as}, and the pid file is of user {owner}"
        ));
    }
    pidfd_send_signal(&handle, signal).map_err(gone)
}

/// What a pid file says.
#[derive(Debug, PartialEq, Eq)]
struct Named {
    pid: i32,
    owner: u32,
    inode: u64,
}

fn read(path: &str, group: Option<u32>) -> Result<Named, String> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let failed = |errno: rustix::io::Errno| format!("{path}: {errno}");
    let fd = fs::openat(CWD, path, flags, Mode::empty()).map_err(failed)?;
    let stat = fs::fstat(&fd).map_err(failed)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(format!("{path} is no file"));
    }
    let me = rustix::process::geteuid().as_raw();
    let trusted = stat.st_uid == me || stat.st_uid == 0 || group == Some(stat.st_gid);
    if !trusted {
        let owner = stat.st_uid;
        return Err(format!("{path} is of user {owner}, who is neither root, nor us, nor --group"));
    }
    if stat.st_mode & 0o002 != 0 {
        return Err(format!("anybody may write to {path}"));
    }
    let mut text = String::new();
    let read = File::from(fd).take(PID_FILE_BYTES_MAX + 1).read_to_string(&mut text);
    let bytes = read.map_err(|error| format!("{path}: {error}"))?;
    let pid = text.trim().parse::<i32>().ok().filter(|pid| *pid > 1);
    let own = i32::try_from(std::process::id()).ok();
    match pid.filter(|pid| bytes as u64 <= PID_FILE_BYTES_MAX && Some(*pid) != own) {
        Some(pid) => Ok(Named { pid, owner: stat.st_uid, inode: stat.st_ino }),
        None => Err(format!("{path} has no number of another process, above 1")),
    }
}

/// User of a process: the first number of the line `Uid:` of its status (proc(5)).
fn user_of(pid: i32) -> io::Result<u32> {
    let mut text = String::new();
    File::open(format!("/proc/{pid}/status"))?.take(STATUS_BYTES_MAX).read_to_string(&mut text)?;
    let line = text.lines().find_map(|line| line.strip_prefix("Uid:"));
    let user = line.and_then(|line| line.split_ascii_whitespace().next()?.parse().ok());
    user.ok_or_else(|| io::Error::other("its user cannot be learned"))
}

fn number(name: &str) -> Option<Signal> {
    Some(match name {
        "HUP" => Signal::HUP,
        "INT" => Signal::INT,
        "TERM" => Signal::TERM,
        "USR1" => Signal::USR1,
        "USR2" => Signal::USR2,
        "QUIT" => Signal::QUIT,
        "WINCH" => Signal::WINCH,
        _ => return None,
    })
}

const STATUS_BYTES_MAX: u64 = 1024 * 1024;

#[cfg(test)]
mod tests;
