//! The files of an installation: `openclaw.json` and, beside it, the `auth-profiles.json` of each
//! of its agents. They are replaced whole, or not at all.

use crate::{
    cmd::import::read,
    failure::{Exit, Failure},
};
use secretref_domain::openclaw::{
    targets::{self, File, Target},
    text::{Document, TEXT_BYTES_MAX},
};
use std::{
    fs,
    io::{self, Write},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// Which files are meant.
#[derive(clap::Args)]
pub(super) struct Files {
    /// OpenClaw's configuration, such as `~/.openclaw/openclaw.json`
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// An auth-profiles.json besides those at `agents/*/agent/` beside FILE; may be repeated
    #[arg(long = "auth-profiles", value_name = "FILE")]
    profiles: Vec<PathBuf>,
    /// Table of more targets, of the form of ours: see docs/openclaw.md
    #[arg(long, value_name = "FILE")]
    targets: Option<PathBuf>,
}

/// A file that was read.
pub(super) struct Opened {
    /// Where it really is: a link was followed.
    pub(super) path: PathBuf,
    /// What it is.
    pub(super) kind: File,
    /// The agent of `OpenClaw` that it is of.
    pub(super) agent: Option<String>,
    /// What it says.
    pub(super) document: Document,
    stamp: Stamp,
}

/// What changes when somebody writes a file.
#[derive(PartialEq, Eq)]
struct Stamp(u64, u64, u64, i64, i64);

impl Files {
    /// The folder of the configuration, where `OpenClaw` keeps the rest.
    pub(super) fn folder(&self) -> &Path {
        self.file.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }

    /// Reads all of them, the configuration first.
    pub(super) fn open(&self) -> Result<Vec<Opened>, Failure> {
        let mut opened = vec![Opened::read(&self.file, File::Config)?];
        let mut paths = self.profiles.clone();
        if let Ok(agents) = fs::read_dir(self.folder().join("agents")) {
            let of = |agent: fs::DirEntry| agent.path().join("agent").join("auth-profiles.json");
            let mut found: Vec<PathBuf> = agents.flatten().map(of).collect();
            found.retain(|path| path.is_file());
            found.sort();
            paths.extend(found);
        }
        for path in paths {
            let file = Opened::read(&path, File::Profiles)?;
            if opened.iter().all(|other| other.path != file.path) {
                opened.push(file);
            }
        }
        Ok(opened)
    }

    /// The known targets, and those of the table that is named.
    pub(super) fn targets(&self) -> Result<Vec<Target>, Failure> {
        let mut all = targets::known();
        if let Some(path) = &self.targets {
            let text = fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
            let more = targets::parse(&text).map_err(|(line, what)| {
                let what = format!("{}, line {line}: {what}", path.display());
                Failure::usage(what, "write it as docs/openclaw.md shows")
            })?;
            let is_new = |target: &Target| all.iter().all(|known| known.path != target.path);
            let more: Vec<Target> = more.into_iter().filter(is_new).collect();
            all.extend(more);
        }
        Ok(all)
    }
}

impl Opened {
    fn read(path: &Path, kind: File) -> Result<Self, Failure> {
        let real = fs::canonicalize(path).map_err(|error| unreadable(path, &error))?;
        let stamp = Stamp::of(&real).map_err(|error| unreadable(path, &error))?;
        let file = fs::File::open(&real).map_err(|error| unreadable(path, &error))?;
        let document = parse(path, &read(file, TEXT_BYTES_MAX).map_err(|e| unreadable(path, &e))?)?;
        let agent = (kind == File::Profiles).then(|| agent_of(&real));
        Ok(Self { path: real, kind, agent, document, stamp })
    }

    /// What it is called in what is printed.
    pub(super) fn shown(&self) -> String {
        self.path.display().to_string()
    }

    /// Whether others than its owner can read it.
    pub(super) fn is_open_to_others(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|meta| meta.mode() & 0o077 != 0)
    }

    /// Puts another text in its place, with its owner and mode, unless somebody has written it
    /// since it was read.
    pub(super) fn replace(&self, document: &Document) -> Result<(), Failure> {
        let failed = |error: io::Error| {
            let what = format!("{} cannot be written: {error}", self.shown());
            Failure::new(Exit::Refused, what, "make its folder writable, and run this again")
        };
        let meta = fs::metadata(&self.path).map_err(failed)?;
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        file.write_all(document.text().as_bytes()).map_err(failed)?;
        let own = file.as_file().metadata().map_err(failed)?;
        if (own.uid(), own.gid()) != (meta.uid(), meta.gid()) {
            std::os::unix::fs::fchown(file.as_file(), Some(meta.uid()), Some(meta.gid()))
                .map_err(failed)?;
        }
        let mode = fs::Permissions::from_mode(meta.mode() & 0o7777);
        file.as_file().set_permissions(mode).map_err(failed)?;
        file.as_file().sync_all().map_err(failed)?;
        if Stamp::of(&self.path).map_err(failed)? != self.stamp {
            let what = format!("{} was changed meanwhile, and is left as it is", self.shown());
            return Err(Failure::new(Exit::Refused, what, "run this again"));
        }
        file.persist(&self.path).map_err(|error| failed(error.error))?;
        fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
    }
}

impl Stamp {
    fn of(path: &Path) -> io::Result<Self> {
        let meta = fs::metadata(path)?;
        Ok(Self(meta.dev(), meta.ino(), meta.size(), meta.mtime(), meta.mtime_nsec()))
    }
}

/// What a file says.
pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Document, Failure> {
    let shown = path.display();
    let text = str::from_utf8(bytes).map_err(|error| {
        let what = format!("{shown} is not UTF-8: see its byte {}", error.valid_up_to());
        Failure::usage(what, "save it as UTF-8")
    })?;
    Document::parse(Zeroizing::new(text.to_owned())).map_err(|error| {
        Failure::usage(format!("{shown} is not JSON5: {error}"), "correct it: openclaw doctor")
    })
}

/// That a file cannot be read.
pub(super) fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(format!("{} cannot be read: {error}", path.display()), "correct the path")
}

/// `…/agents/NAME/agent/auth-profiles.json` is of NAME, any other of `main`.
fn agent_of(path: &Path) -> String {
    let mut above = path.ancestors().skip(1).filter_map(|it| it.file_name()?.to_str());
    match (above.next(), above.next(), above.next()) {
        (Some("agent"), Some(name), Some("agents")) => name.to_owned(),
        _ => "main".to_owned(),
    }
}

#[cfg(test)]
mod tests;
