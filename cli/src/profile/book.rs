//! `config.toml` as a whole. It is a file that people write in, so it is changed as text: what is
//! not changed stays as it is, comments too. What the text says afterwards is read again before it
//! is kept, and a change that did not come out as it was meant is not made.

use super::{Profile, Profiles};
use crate::{config::Config, failure::Failure};
use std::{
    fs,
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

/// All profiles.
pub(crate) struct Book {
    path: PathBuf,
    text: String,
    profiles: Profiles,
}

impl Book {
    /// Reads the file. `wanted` is what it is read for, and `fix` says how to get it.
    pub(crate) fn open(
        config: &Config,
        wanted: &str,
        fix: impl Fn() -> String,
    ) -> Result<Self, Failure> {
        let path = path(config)?;
        match fs::read_to_string(&path) {
            Ok(text) => Self::parse(path, text),
            Err(error) => {
                let what = format!("{wanted} cannot be read from {}: {error}", path.display());
                Err(Failure::usage(what, fix()))
            }
        }
    }

    /// Reads the file, or begins one.
    pub(crate) fn open_or_begin(config: &Config) -> Result<Self, Failure> {
        let path = path(config)?;
        match fs::read_to_string(&path) {
            Ok(text) => Self::parse(path, text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(Self { path, text: String::new(), profiles: Profiles::default() })
            }
            Err(error) => {
                let what = format!("profiles cannot be read from {}: {error}", path.display());
                Err(Failure::usage(what, "make it readable to you"))
            }
        }
    }

    fn parse(path: PathBuf, text: String) -> Result<Self, Failure> {
        let profiles = toml::from_str(&text).map_err(|error| {
            let shown = path.display();
            let what = format!("{shown} is not a list of profiles: {}", error.message());
            let fix = format!(
                "correct {shown}, or move it away and run secretref-broker init --data-dir DIR"
            );
            Failure::usage(what, fix)
        })?;
        Ok(Self { path, text, profiles })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The profile where none is named.
    pub(crate) fn current(&self) -> &str {
        self.profiles.current.as_deref().unwrap_or("default")
    }

    /// All names, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.profiles.profiles.keys().map(String::as_str)
    }

    /// A profile, its paths made absolute.
    pub(crate) fn get(&self, name: &str) -> Option<Profile> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        self.profiles.profiles.get(name).map(|found| found.below(folder))
    }

    /// A profile, or what there is instead.
    pub(crate) fn find(&self, name: &str) -> Result<Profile, Failure> {
        self.get(name).ok_or_else(|| {
            let what = format!("{} has no profile {name:?}", self.path.display());
            Failure::new(crate::failure::Exit::NotFound, what, "secretref profile list")
        })
    }

    /// Adds a profile. A name is made of letters, digits, `-` and `_`.
    pub(crate) fn add(&mut self, name: &str, profile: &Profile) -> Result<(), Failure> {
        check_name(name)?;
        if self.profiles.profiles.contains_key(name) {
            let what = format!("profile {name:?} is in {} already", self.path.display());
            let fix = format!("choose another name, or secretref profile remove {name}");
            return Err(Failure::usage(what, fix));
        }
        let entry = toml::to_string(profile)
            .map_err(|error| Failure::usage(error.to_string(), "name paths in UTF-8"))?;
        let before = self.text.trim_end();
        let gap = if before.is_empty() { "" } else { "\n\n" };
        let text = format!("{before}{gap}[profiles.{name}]\n{entry}");
        let mut wanted = self.profiles.clone();
        wanted.profiles.insert(name.to_owned(), profile.clone());
        self.change(text, wanted)
    }

    /// Makes a profile the current one.
    pub(crate) fn make_current(&mut self, name: &str) -> Result<(), Failure> {
        self.find(name)?;
        let line = format!("current = {}", toml::Value::from(name));
        // A key of no table stands before the first table.
        let tables = self.text.lines().position(|line| line.trim_start().starts_with('['));
        let is_current = |line: &str| {
            line.trim_start()
                .strip_prefix("current")
                .is_some_and(|rest| rest.trim_start().starts_with('='))
        };
        let mut lines: Vec<&str> = self.text.lines().collect();
        let head = &lines[..tables.unwrap_or(lines.len())];
        match head.iter().position(|line| is_current(line)) {
            Some(at) => lines[at] = &line,
            None => lines.splice(..0, [line.as_str(), ""]).for_each(drop),
        }
        let text = lines.join("\n") + "\n";
        let wanted = Profiles { current: Some(name.to_owned()), ..self.profiles.clone() };
        self.change(text, wanted)
    }

    /// Takes a profile out. Its files stay.
    pub(crate) fn remove(&mut self, name: &str) -> Result<(), Failure> {
        self.find(name)?;
        if self.profiles.current.as_deref() == Some(name) {
            let what = format!("profile {name:?} is the current one");
            return Err(Failure::usage(what, "secretref profile use OTHER, and then again"));
        }
        let headers = [format!("[profiles.{name}]"), format!("[profiles.{name:?}]")];
        let mut inside = false;
        let mut kept = String::new();
        for line in self.text.lines() {
            let start = line.trim();
            if start.starts_with('[') {
                inside = headers.iter().any(|header| start.starts_with(header.as_str()));
            }
            if !inside {
                kept.push_str(line);
                kept.push('\n');
            }
        }
        let mut wanted = self.profiles.clone();
        wanted.profiles.remove(name);
        self.change(kept, wanted)
    }

    fn change(&mut self, text: String, wanted: Profiles) -> Result<(), Failure> {
        if toml::from_str::<Profiles>(&text).ok().as_ref() != Some(&wanted) {
            let what =
                format!("{} is written in a way that is not changed safely", self.path.display());
            return Err(Failure::usage(what, "write one [profiles.NAME] table for each profile"));
        }
        (self.text, self.profiles) = (text, wanted);
        Ok(())
    }

    /// Keeps what was changed: the old file or the new one, never half of it; for its owner only.
    pub(crate) fn save(&self) -> Result<(), Failure> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let save = || -> io::Result<()> {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(self.text.as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(&self.path)?;
            fs::File::open(folder)?.sync_all()
        };
        save().map_err(|error| {
            let what = format!("{} cannot be written: {error}", self.path.display());
            Failure::usage(what, "make its folder writable to you")
        })
    }
}

/// Whether a text can be the name of a profile.
pub(crate) fn check_name(name: &str) -> Result<(), Failure> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(allowed) {
        return Ok(());
    }
    let what = format!(
        "a profile's name is 1 to {NAME_BYTES_MAX} letters, digits, `-` and `_`; this is none"
    );
    Err(Failure::usage(what, "choose another name"))
}

fn path(config: &Config) -> Result<PathBuf, Failure> {
    config.profiles.clone().ok_or_else(|| {
        let what = "neither HOME nor XDG_CONFIG_HOME says where profiles are";
        Failure::usage(what, "export HOME, or SECRETREF_ADDR, _CA, _CERT and _KEY")
    })
}

const NAME_BYTES_MAX: usize = 64;

#[cfg(test)]
mod tests;
