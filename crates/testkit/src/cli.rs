//! The operator's hand: the real `secretref`, in an environment of its own.

use crate::{broker::Broker, process::binary, terminal::Terminal};
use anyhow::{Context, Result, ensure};
use std::{
    fs,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};
use tempfile::TempDir;

/// Somebody with a home of his own, who is the first administrator of a broker unless he says who
/// else he is with `--profile`.
pub struct Cli {
    home: TempDir,
    env: Vec<(String, String)>,
}

/// What a command left behind.
#[derive(Debug)]
pub struct Ran {
    /// Exit code; -1 where a signal ended it.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ran {
    /// What a command leaves behind that is run to its end.
    ///
    /// # Errors
    /// Where it cannot be run, or said what is no text.
    pub fn of(command: &mut Command) -> Result<Self> {
        Self::from_output(command.output().context("running a command")?)
    }

    /// What a command left behind.
    ///
    /// # Errors
    /// Where it said what is no text.
    pub fn from_output(output: Output) -> Result<Self> {
        Ok(Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout)?,
            err: String::from_utf8(output.stderr)?,
        })
    }

    /// Standard output as one JSON document.
    ///
    /// # Errors
    /// Where it is none.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_str(&self.out).with_context(|| format!("no JSON: {self:?}"))
    }

    /// Itself, where it ended like this.
    ///
    /// # Errors
    /// Where it did not; with what it said.
    pub fn ended(self, code: i32) -> Result<Self> {
        ensure!(self.code == code, "it ended with {}, not {code}: {self:?}", self.code);
        Ok(self)
    }
}

impl Cli {
    /// As the first administrator of a broker.
    ///
    /// # Errors
    /// Where no folder can be made.
    pub fn of(broker: &Broker) -> Result<Self> {
        let address = broker.listening().admin.to_string();
        Self::with(&address, &broker.data().join("admin"))
    }

    /// With the three files of a folder.
    ///
    /// # Errors
    /// Where no folder can be made.
    pub fn with(address: &str, files: &Path) -> Result<Self> {
        let home = tempfile::Builder::new().prefix("secretref-cli-").tempdir()?;
        let file = |name: &str| files.join(name).display().to_string();
        let env = vec![
            ("SECRETREF_ADDR".to_owned(), address.to_owned()),
            ("SECRETREF_CA".to_owned(), file("ca.crt")),
            ("SECRETREF_CERT".to_owned(), file("admin.crt")),
            ("SECRETREF_KEY".to_owned(), file("admin.key")),
        ];
        Ok(Self { home, env })
    }

    /// With more variables in his environment.
    #[must_use]
    pub fn in_environment(mut self, variables: &[(String, String)]) -> Self {
        self.env.extend_from_slice(variables);
        self
    }

    /// Where he keeps his configuration: what `~/.config/secretref` is to people.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.home.path().join("secretref")
    }

    /// Runs `secretref` with these arguments and nothing to read.
    ///
    /// # Errors
    /// Where it cannot be run.
    pub fn run(&self, arguments: &[&str]) -> Result<Ran> {
        self.run_with(arguments, b"")
    }

    /// As [`Cli::run`], with something on standard input.
    ///
    /// # Errors
    /// As there.
    pub fn run_with(&self, arguments: &[&str], input: &[u8]) -> Result<Ran> {
        self.finish(self.command(arguments)?, input)
    }

    /// `secretref` with these arguments, to be run in his environment.
    ///
    /// # Errors
    /// Where it is not built.
    pub fn command(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(binary("secretref")?);
        command.args(arguments);
        self.prepare(&mut command)?;
        Ok(command)
    }

    /// Runs a command line at a real terminal of this size. Its words are the shell's.
    ///
    /// # Errors
    /// Where there is no `script` of util-linux.
    pub fn at_terminal(&self, line: &str, (rows, columns): (u16, u16)) -> Result<Terminal> {
        // The program is the shell's own process, so that its exit code is what `script` ends with.
        let line = format!("stty rows {rows} columns {columns} && exec {line}");
        let mut command = Command::new("script");
        self.prepare(&mut command)?;
        command.env("TERM", "xterm").env("SHELL", "/bin/sh");
        command.args(["--quiet", "--return", "--flush", "--command", &line, "/dev/null"]);
        Terminal::start(command, (rows, columns))
    }

    /// Runs a bash script in the same environment, with `secretref` in its `PATH`.
    ///
    /// # Errors
    /// Where there is no bash.
    pub fn bash(&self, script: &str) -> Result<Ran> {
        let mut command = Command::new("bash");
        command.args(["--noprofile", "--norc", "-c", script]);
        self.prepare(&mut command)?;
        self.finish(command, b"")
    }

    fn prepare(&self, command: &mut Command) -> Result<()> {
        let program = binary("secretref")?;
        let beside = program.parent().context("a program without a folder")?;
        command
            .env_clear()
            .env("XDG_CONFIG_HOME", self.home.path())
            .env("PATH", format!("{}:/usr/bin:/bin", beside.display()))
            .envs(self.env.iter().map(|(key, value)| (key, value)));
        Ok(())
    }

    fn finish(&self, mut command: Command, input: &[u8]) -> Result<Ran> {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let mut stdin = child.stdin.take().context("no standard input")?;
        match stdin.write_all(input) {
            // One that refuses its arguments does not read.
            Err(error) if error.kind() != ErrorKind::BrokenPipe => return Err(error.into()),
            _ => drop(stdin),
        }
        Ran::from_output(child.wait_with_output()?)
    }

    /// Reads a file of his.
    ///
    /// # Errors
    /// Where it is not there.
    pub fn read(&self, path: impl AsRef<Path>) -> Result<String> {
        let path = self.folder().join(path);
        fs::read_to_string(&path).with_context(|| path.display().to_string())
    }
}
