//! Which program is run. It is run by its path: a script's interpreter has to find it again, and by
//! a number of an open file it could not. What was checked is what is run all the same, since from
//! the root down nobody but the broker's user and root could put another in its place.

use super::Program;
use crate::permits::{
    HostError,
    files::{RESOLVE, below, is_ours, open_checked},
};
use rustix::{
    fs::{FileType, Mode, OFlags, Stat, fstat, openat2},
    io::Errno,
    process::geteuid,
};
use secretref_domain::fault::Fault;
use std::{
    fs::canonicalize,
    path::{Path, PathBuf},
};

/// The program to run, at its real path.
pub(super) fn checked(program: &Program, roots: &[PathBuf]) -> Result<PathBuf, HostError> {
    let command = &program.command;
    let stat = stat(roots, command)?;
    let real = if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
        let real = followed(program)?;
        let roots: Vec<PathBuf> = roots.iter().filter_map(|it| canonicalize(it).ok()).collect();
        check(&real, &self::stat(&roots, &real)?)?;
        real
    } else {
        check(command, &stat)?;
        canonicalize(command).map_err(|error| {
            wrong(format!("cannot find {}: {error}", command.display()), "put it there")
        })?
    };
    trusted(program, roots, &real)?;
    Ok(real)
}

/// What lies at a path, below a root and in folders that are the broker's own.
fn stat(roots: &[PathBuf], path: &Path) -> Result<Stat, HostError> {
    let shown = path.display();
    let (root, inside) = below(roots, path).ok_or_else(|| outside(roots, path))?;
    let unopened = |error: Errno| match error {
        Errno::NOENT | Errno::NOTDIR => wrong(
            format!("has no program {shown}"),
            format!("put it there with mode 0700, owned by user {}", geteuid().as_raw()),
        ),
        Errno::LOOP | Errno::XDEV => wrong(
            format!("has {shown}, in a folder that is a symlink or leads out of its root"),
            "name the program by its real path",
        ),
        error => wrong(
            format!("cannot look at {shown}: {error}"),
            format!("let user {} reach it", geteuid().as_raw()),
        ),
    };
    let root_fd = open_checked(root, &inside).map_err(|error| match error.fault {
        Fault::NotFound => unopened(Errno::NOENT),
        _ => error,
    })?;
    // The last part may be a symlink: what of it is allowed is asked above.
    let parent = inside.parent().filter(|it| !it.as_os_str().is_empty());
    let name = inside.file_name().ok_or_else(|| outside(roots, path))?;
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let folder = parent.unwrap_or(Path::new("."));
    let folder = openat2(&root_fd, folder, flags | OFlags::DIRECTORY, Mode::empty(), RESOLVE);
    let folder = folder.map_err(unopened)?;
    let no_follow = flags | OFlags::NOFOLLOW;
    let opened = rustix::fs::openat(&folder, name, no_follow, Mode::empty());
    opened.and_then(|it| fstat(&it)).map_err(unopened)
}

fn check(path: &Path, stat: &Stat) -> Result<(), HostError> {
    let shown = path.display();
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(wrong(format!("has {shown}, which is no regular file"), "name a program"));
    }
    if !is_ours(stat) {
        let (us, owner) = (geteuid().as_raw(), stat.st_uid);
        return Err(wrong(
            format!(
                "has {shown}, which belongs to user {owner}, neither the broker's ({us}) nor root"
            ),
            format!("chown {us} {shown}"),
        ));
    }
    if stat.st_mode & 0o022 != 0 {
        return Err(wrong(
            format!("has {shown}, which others may write to"),
            format!("chmod go-w {shown}"),
        ));
    }
    if stat.st_mode & 0o111 == 0 {
        return Err(wrong(
            format!("has {shown}, which is no program: nobody may execute it"),
            format!("chmod u+x {shown}"),
        ));
    }
    Ok(())
}

fn followed(program: &Program) -> Result<PathBuf, HostError> {
    let shown = program.command.display();
    if !program.allow_symlink {
        return Err(wrong(
            format!("has {shown}, which is a symlink"),
            format!("name the program itself, or set `{}.allowSymlinkCommand`", program.settings),
        ));
    }
    canonicalize(&program.command).map_err(|error| {
        wrong(format!("has {shown}, a symlink that leads nowhere: {error}"), "set it anew")
    })
}

/// Where there are trusted folders, they lie below a root and the program below one of them.
fn trusted(program: &Program, roots: &[PathBuf], real: &Path) -> Result<(), HostError> {
    let settings = &program.settings;
    if let Some(path) = program.trusted.iter().find(|path| below(roots, path).is_none()) {
        return Err(wrong(
            format!("trusts the folder {}, which is not below a provider root", path.display()),
            format!("remove it from `{settings}.trustedDirs`"),
        ));
    }
    let holds = |folder: &PathBuf| canonicalize(folder).is_ok_and(|it| real.starts_with(it));
    if program.trusted.is_empty() || program.trusted.iter().any(holds) {
        return Ok(());
    }
    Err(wrong(
        format!("may not run {}: it is in none of its `trustedDirs`", real.display()),
        format!("move it there, or correct `{settings}.trustedDirs`"),
    ))
}

fn outside(roots: &[PathBuf], path: &Path) -> HostError {
    let roots: Vec<String> = roots.iter().map(|root| root.display().to_string()).collect();
    let roots = roots.join(", ");
    wrong(
        format!("may not run {}: it is not below a provider root ({roots})", path.display()),
        "move it there, or add its folder to `provider_roots` in broker.toml and restart",
    )
}

fn wrong(message: String, fix: impl Into<String>) -> HostError {
    HostError::new(Fault::Misconfigured, message, fix)
}
