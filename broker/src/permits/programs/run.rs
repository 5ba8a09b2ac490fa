//! One run of the program: bounded in time and output, with nothing of the broker's but what it is
//! given, and gone with all that it started when it is over.

use super::Program;
use crate::permits::{HostError, Permits};
use rustix::{
    io::Errno,
    process::{Pid, Signal, WaitOptions, kill_process_group, waitpgid},
};
use secretref_domain::fault::Fault;
use std::{
    ffi::OsStr,
    io,
    os::unix::{ffi::OsStrExt, process::ExitStatusExt},
    path::Path,
    pin::pin,
    process::{ExitStatus, Stdio},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
    time::{Instant, sleep, sleep_until},
};
use zeroize::Zeroizing;

/// Runs it with a request, and takes what it printed.
pub(super) async fn run(
    path: &Path,
    program: &Program,
    permits: &Permits,
    request: &[u8],
) -> Result<Zeroizing<Vec<u8>>, HostError> {
    let mut child = start(path, program, permits)?;
    let leader = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    let mut group = Group { leader, is_over: false };
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else {
        return Err(unstarted(path, &io::ErrorKind::BrokenPipe.into()));
    };
    let mut talk = Talk {
        stdout,
        stderr,
        printed: Zeroizing::new(Vec::with_capacity(ROOM_BYTES)),
        complained: Zeroizing::new(Vec::with_capacity(ROOM_BYTES)),
        complained_bytes: 0,
        program,
    };
    let status = talk.until_end(&mut child, stdin, request, &mut group).await?;
    if status.success() {
        return Ok(talk.printed);
    }
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with code {code}"),
        (None, signal) => format!("was ended by signal {}", signal.unwrap_or_default()),
    };
    Err(HostError::new(
        Fault::Unreachable,
        format!("{how}, with {} bytes of stderr", talk.complained_bytes),
        program.by_hand(path),
    ))
}

fn start(path: &Path, program: &Program, permits: &Permits) -> Result<Child, HostError> {
    let mut command = Command::new(path);
    command
        .args(&program.arguments)
        .env_clear()
        .current_dir(path.parent().unwrap_or(Path::new("/")))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    for name in &program.passed {
        if let Some(Some(value)) = permits.environment.get(name) {
            command.env(name.as_str(), OsStr::from_bytes(value.expose()));
        }
    }
    for (name, value) in &program.environment {
        command.env(name.as_str(), value);
    }
    command.spawn().map_err(|error| unstarted(path, &error))
}

/// A program that is running.
struct Talk<'a> {
    stdout: ChildStdout,
    stderr: ChildStderr,
    printed: Zeroizing<Vec<u8>>,
    complained: Zeroizing<Vec<u8>>,
    complained_bytes: usize,
    program: &'a Program,
}

impl Talk<'_> {
    /// Says the request and listens until both outputs are closed and the program has ended.
    async fn until_end(
        &mut self,
        child: &mut Child,
        mut stdin: ChildStdin,
        request: &[u8],
        group: &mut Group,
    ) -> Result<ExitStatus, HostError> {
        let Program { time_max, silence_max, output_bytes_max, .. } = *self.program;
        let end = Instant::now() + time_max;
        let mut silent_at = Instant::now() + silence_max;
        // One that does not listen may still answer.
        let mut saying = pin!(async move {
            let said = stdin.write_all(request).await;
            said.and(stdin.shutdown().await)
        });
        let (mut is_saying, mut prints, mut complains) = (true, true, true);
        let mut status = None;
        while prints || complains || status.is_none() {
            make_room(&mut self.printed);
            let heard = tokio::select! {
                _ = &mut saying, if is_saying => {
                    is_saying = false;
                    continue;
                }
                ended = child.wait(), if status.is_none() => {
                    status = Some(ended.map_err(|error| lost(&error))?);
                    // What it left behind would hold its outputs open.
                    group.end();
                    continue;
                }
                read = self.stdout.read_buf(&mut *self.printed), if prints => {
                    let read = read.map_err(|error| lost(&error))?;
                    prints = read > 0;
                    read
                }
                read = self.stderr.read_buf(&mut *self.complained), if complains => {
                    let read = read.map_err(|error| lost(&error))?;
                    complains = read > 0;
                    self.complained.clear();
                    self.complained_bytes += read;
                    read
                }
                () = sleep_until(end.min(silent_at)) => return Err(self.overdue(end)),
            };
            if heard > 0 {
                silent_at = Instant::now() + silence_max;
            }
            if self.printed.len() + self.complained_bytes > output_bytes_max {
                return Err(self.too_much());
            }
        }
        status.ok_or_else(|| lost(&io::ErrorKind::NotFound.into()))
    }

    fn overdue(&self, end: Instant) -> HostError {
        let Program { settings, time_max, silence_max, .. } = self.program;
        let (key, message) = match Instant::now() < end {
            true => ("noOutputTimeoutMs", format!("was silent for {} ms", silence_max.as_millis())),
            false => ("timeoutMs", format!("did not answer within {} ms", time_max.as_millis())),
        };
        HostError::new(
            Fault::TimedOut,
            format!("{message}, and was killed"),
            format!("make it faster, or set `{settings}.{key}`"),
        )
    }

    fn too_much(&self) -> HostError {
        let Program { settings, output_bytes_max, .. } = self.program;
        HostError::new(
            Fault::TooLarge,
            format!("printed more than {output_bytes_max} bytes, and was killed"),
            format!("make it print less, or set `{settings}.maxOutputBytes`"),
        )
    }
}

/// The program and what it started, as long as they share a group. Dropping it ends them.
struct Group {
    leader: Option<Pid>,
    /// Then its number may be another's.
    is_over: bool,
}

impl Group {
    fn end(&mut self) {
        if let Some(leader) = self.leader.filter(|_| !self.is_over) {
            // As a rule there is nobody any more.
            let _ = kill_process_group(leader, Signal::KILL);
            self.is_over = true;
            if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                runtime.spawn(reap(leader));
            }
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end();
    }
}

/// Where the broker is the first process of a container, what a program left behind is its own
/// child now, and would stay a zombie.
async fn reap(leader: Pid) {
    let end = Instant::now() + REAP_TIME_MAX;
    while Instant::now() < end {
        match waitpgid(leader, WaitOptions::NOHANG) {
            Ok(Some(_)) => {}
            Ok(None) => sleep(REAP_PERIOD).await,
            Err(_) => return,
        }
    }
}

/// Doubles what is full, without leaving a copy of what was in it behind.
fn make_room(bytes: &mut Zeroizing<Vec<u8>>) {
    if bytes.len() == bytes.capacity() {
        let mut larger = Zeroizing::new(Vec::with_capacity(bytes.capacity() * 2));
        larger.extend_from_slice(bytes);
        *bytes = larger;
    }
}

fn unstarted(program: &Path, error: &io::Error) -> HostError {
    let shown = program.display();
    let (fault, why, fix) = match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOENT) => {
            let fix = "look at its first line: `#!` and the whole path of an interpreter";
            (Fault::Misconfigured, "its interpreter is not there".to_owned(), fix)
        }
        Some(Errno::NOEXEC) => {
            let fix = "begin it with `#!` and the whole path of an interpreter";
            (Fault::Misconfigured, "it is neither a binary nor a script".to_owned(), fix)
        }
        Some(Errno::ACCESS | Errno::PERM) => {
            let fix = "chmod u+x, for it and its interpreter; and no `noexec` mount";
            (Fault::Misconfigured, "the broker's user may not execute it".to_owned(), fix)
        }
        Some(Errno::TXTBSY) => {
            (Fault::Unreachable, "it is being written".to_owned(), "replace it with `mv`")
        }
        _ => (Fault::Unreachable, error.kind().to_string(), "look at the broker's host"),
    };
    HostError::new(fault, format!("cannot run {shown}: {why}"), fix)
}

fn lost(error: &io::Error) -> HostError {
    let message = format!("was lost: {}", error.kind());
    HostError::new(Fault::Unreachable, message, "look at the broker's host")
}

/// Room that is made for an output at once.
const ROOM_BYTES: usize = 16 * 1024;
/// How long those are waited for who were killed.
const REAP_TIME_MAX: Duration = Duration::from_secs(5);
const REAP_PERIOD: Duration = Duration::from_millis(10);
