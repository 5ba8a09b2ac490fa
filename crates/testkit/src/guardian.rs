//! What ends a server when the test that started it is killed.
//!
//! A guardian process holds the reading end of a pipe whose other end is in this process. When this
//! process ends, however it ends, the guardian sees the pipe closed, stops the server and removes
//! its folder: a test run that was killed leaves nothing behind.

use anyhow::{Context, Result};
use std::{
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
};

/// The guardian of one server. It acts when dropped, too.
pub struct Guardian(Child);

impl Guardian {
    /// Watches over a process, which it ends with a signal, and its folder.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn of(server: u32, signal: &str, folder: &Path) -> Result<Self> {
        let child = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "guardian", &server.to_string(), signal])
            .arg(folder)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("starting the guardian of a throwaway server")?;
        Ok(Self(child))
    }

    /// Ends it without letting it act.
    pub fn dismiss(mut self) {
        // Killed before its pipe closes; both fail only where it is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits for its standard input to close, then stops the server and removes its folder.
const SCRIPT: &str = r#"
cat >/dev/null
kill -"$2" "$1"
tail --pid="$1" -f /dev/null
rm -rf "$3"
"#;
