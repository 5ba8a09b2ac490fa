//! A terminal that somebody looks at: a program in a real pty, and what its screen shows.

use crate::wait::eventually;
use anyhow::{Context, Result};
use std::{
    io::Read,
    num::NonZero,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

/// A program at a terminal. Killed when dropped.
pub struct Terminal {
    child: Child,
    seen: Arc<Mutex<Seen>>,
    reader: Option<JoinHandle<std::io::Result<()>>>,
}

/// What was printed so far.
struct Seen {
    screen: vt100::Parser,
    bytes: Vec<u8>,
}

impl Terminal {
    /// Starts a command whose output is that of a terminal of this size: `script` of util-linux
    /// makes the pty, and copies what is printed there.
    pub(crate) fn start(mut command: Command, (rows, columns): (u16, u16)) -> Result<Self> {
        let size =
            NonZero::new(rows).zip(NonZero::new(columns)).context("a terminal of no size")?;
        let started = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = started.context("script of util-linux makes the terminal")?;
        let mut output = child.stdout.take().context("no output")?;
        let screen = vt100::Parser::new(size.0, size.1, SCROLLBACK_LINES);
        let seen = Arc::new(Mutex::new(Seen { screen, bytes: Vec::new() }));
        let sees = Arc::clone(&seen);
        let reader = thread::spawn(move || {
            let mut chunk = vec![0; 4096];
            loop {
                let read = output.read(&mut chunk)?;
                if read == 0 {
                    return Ok(());
                }
                let mut seen = lock(&sees);
                seen.screen.process(&chunk[..read]);
                seen.bytes.extend_from_slice(&chunk[..read]);
            }
        });
        Ok(Self { child, seen, reader: Some(reader) })
    }

    /// What the screen shows now, a line each.
    #[must_use]
    pub fn screen(&self) -> String {
        let seen = lock(&self.seen);
        let screen = seen.screen.screen();
        // Each row by itself: `contents` has one that is filled to its end go on in the next.
        let rows = screen.rows(0, screen.size().1.get());
        rows.map(|row| format!("{}\n", row.trim_end())).collect()
    }

    /// Waits until the screen shows this, and gives all that it shows then.
    ///
    /// # Errors
    /// Where it does not in time; with what it shows.
    pub async fn shows(&self, wanted: &str) -> Result<String> {
        let what = format!("the screen shows {wanted:?}");
        let found = eventually(&what, async || {
            let screen = self.screen();
            Ok(screen.contains(wanted).then_some(screen))
        });
        found.await.with_context(|| format!("the screen shows:\n{}", self.screen()))
    }

    /// Waits for the program's end. Gives how it ended, and every byte that was printed.
    ///
    /// # Errors
    /// Where it cannot be waited for.
    pub fn ended(&mut self) -> Result<(ExitStatus, Vec<u8>)> {
        // The output ends with the program.
        if let Some(reader) = self.reader.take() {
            reader.join().map_err(|_| anyhow::anyhow!("the reader panicked"))??;
        }
        let status = self.child.wait()?;
        Ok((status, std::mem::take(&mut lock(&self.seen).bytes)))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // One that has ended cannot be killed, and nobody can be told of any other error.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lines above the screen that are kept.
const SCROLLBACK_LINES: usize = 1000;
