//! The three files of an administrator: `ca.crt`, `admin.crt`, `admin.key`. The key is made here
//! and goes nowhere else.
//!
//! A renewal replaces certificate and key, which cannot be done in one step, so it is done in steps
//! each of which leaves what the next one needs:
//!
//! ```text
//! admin.key.new          the new key, before anybody is asked
//! admin.crt.new          its certificate, as soon as it is there
//! admin.key.new → .key   from here on only the new pair is meant
//! admin.crt.new → .crt
//! ```
//! Whatever interrupts it, the next renewal goes on where it was: the broker gives the same key a
//! certificate again.

use super::Profile;
use crate::failure::Failure;
use secretref_identity::{
    credentials::{Credentials, PrivateKey},
    request::CertificateRequest,
};
use std::{
    fs,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// Where an administrator's files are, or are to be.
pub(crate) struct Files {
    /// Certificates of the authority.
    pub(crate) ca: PathBuf,
    /// Certificate chain.
    pub(crate) cert: PathBuf,
    /// Key.
    pub(crate) key: PathBuf,
}

/// How far a renewal is.
pub(crate) enum Renewal {
    /// There is a key that wants a certificate.
    Wanted(CertificateRequest),
    /// One was interrupted when everything was there; it is finished now.
    Finished,
}

impl Files {
    /// The files of a profile.
    pub(crate) fn of(profile: &Profile) -> Self {
        let Profile { ca, cert, key, .. } = profile;
        Self { ca: ca.clone(), cert: cert.clone(), key: key.clone() }
    }

    /// New files in a folder, which is made where it is not there. Nobody else may enter it.
    pub(crate) fn new_in(folder: &Path) -> Result<Self, Failure> {
        let shown = folder.display();
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(folder).map_err(|error| {
            Failure::usage(format!("{shown} cannot be made: {error}"), "name another with --out")
        })?;
        let folder = fs::canonicalize(folder)
            .map_err(|error| Failure::usage(format!("{shown}: {error}"), "--out DIR"))?;
        let mode = fs::metadata(&folder).map_or(0, |meta| meta.mode()) & 0o777;
        if mode & 0o077 != 0 {
            let what = format!("the folder {shown} can be used by others (mode {mode:04o})");
            return Err(Failure::usage(what, format!("chmod 700 {shown}, or --out DIR")));
        }
        let file = |name: &str| folder.join(name);
        let files = Self { ca: file("ca.crt"), cert: file("admin.crt"), key: file("admin.key") };
        let taken = [&files.ca, &files.cert, &files.key].into_iter().find(|path| path.exists());
        if let Some(path) = taken {
            let what = format!("{} is there already, and is not overwritten", path.display());
            return Err(Failure::usage(what, "name another folder with --out, or move it away"));
        }
        Ok(files)
    }

    /// Writes a new key, for its owner only, and makes the request for its certificate.
    pub(crate) fn write_key(&self) -> Result<CertificateRequest, Failure> {
        let request = CertificateRequest::generate().map_err(|error| unusable(&error))?;
        write_new(&self.key, request.key.expose_pem().as_bytes())?;
        Ok(request)
    }

    /// Writes what a broker answered beside the key.
    pub(crate) fn write_certificates(&self, issued: &Credentials) -> Result<(), Failure> {
        write_new(&self.ca, issued.trust().to_pem().as_bytes())?;
        write_new(&self.cert, issued.chain_pem().as_bytes())
    }

    /// Takes away what was written before it came to nothing.
    pub(crate) fn discard(&self) {
        for path in [&self.ca, &self.cert, &self.key] {
            // What was not written is not there.
            drop(fs::remove_file(path));
        }
        if let Some(folder) = self.key.parent() {
            drop(fs::remove_dir(folder));
        }
    }

    /// The key that a renewal is for: a new one, or the one of a renewal that was interrupted.
    pub(crate) fn begin_renewal(&self) -> Result<Renewal, Failure> {
        let (key, cert) = (beside(&self.key), beside(&self.cert));
        match (key.exists(), cert.exists()) {
            (_, true) => {
                self.swap()?;
                Ok(Renewal::Finished)
            }
            (true, false) => {
                let text = fs::read_to_string(&key).map_err(|error| failed(&key, &error))?;
                let text = Zeroizing::new(text);
                let request = PrivateKey::from_pem(&text).and_then(CertificateRequest::of);
                request.map(Renewal::Wanted).map_err(|error| {
                    let what = format!("{} cannot be used: {error}", key.display());
                    Failure::usage(what, format!("rm {}, and then again", key.display()))
                })
            }
            (false, false) => {
                let request = CertificateRequest::generate().map_err(|error| unusable(&error))?;
                write_new(&key, request.key.expose_pem().as_bytes())?;
                Ok(Renewal::Wanted(request))
            }
        }
    }

    /// Puts the new certificate, and the key that it is for, into the place of the old ones.
    pub(crate) fn finish_renewal(&self, issued: &Credentials) -> Result<(), Failure> {
        let cert = beside(&self.cert);
        let folder = folder_of(&cert);
        let write = || -> io::Result<()> {
            // Under its name only when it is whole.
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(issued.chain_pem().as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(&cert)?;
            Ok(())
        };
        write().map_err(|error| failed(&cert, &error))?;
        self.swap()
    }

    fn swap(&self) -> Result<(), Failure> {
        for path in [&self.key, &self.cert] {
            match fs::rename(beside(path), path) {
                Ok(()) => {}
                // It had come so far when it was interrupted.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed(path, &error)),
            }
            let synced = fs::File::open(folder_of(path)).and_then(|folder| folder.sync_all());
            synced.map_err(|error| failed(path, &error))?;
        }
        Ok(())
    }

    /// Whether a renewal was interrupted, so that certificate and key may not fit.
    pub(crate) fn is_interrupted(&self) -> bool {
        beside(&self.cert).exists()
    }
}

/// `admin.key` → `admin.key.new`.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// A file that was not there, which its owner alone may read.
fn write_new(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let write = || -> io::Result<()> {
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(content)?;
        file.sync_all()
    };
    write().map_err(|error| failed(path, &error))
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    let what = format!("{} cannot be written: {error}", path.display());
    Failure::usage(what, "make its folder writable to you, or run this as its owner")
}

fn unusable(error: &impl std::fmt::Display) -> Failure {
    Failure::usage(format!("no key could be made: {error}"), "try again")
}

#[cfg(test)]
mod tests;
