//! The files of one apply, within the limits of one request.

use crate::failure::Failure;
use secretref_domain::limit::{MANIFEST_BYTES_MAX, MANIFEST_FILES_MAX};
use secretref_proto::v1;
use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// Reads every file, at most as much as one request takes.
pub(super) fn read_all(paths: &[PathBuf]) -> Result<Vec<v1::ManifestFile>, Failure> {
    if paths.len() > MANIFEST_FILES_MAX {
        let what =
            format!("{} files are given, at most {MANIFEST_FILES_MAX} are taken", paths.len());
        return Err(Failure::usage(what, "apply them in several commands"));
    }
    if paths.iter().filter(|path| path.as_path() == Path::new("-")).count() > 1 {
        return Err(Failure::usage("standard input can be read once", "give `-` once"));
    }
    let mut left = MANIFEST_BYTES_MAX;
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        let content = read(path, left)?;
        left -= content.len();
        files.push(v1::ManifestFile { name: name_of(path), content });
    }
    Ok(files)
}

fn name_of(path: &Path) -> String {
    if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() }
}

fn read(path: &Path, bytes_max: usize) -> Result<Vec<u8>, Failure> {
    let name = name_of(path);
    let unreadable = |error: io::Error| {
        Failure::usage(format!("the manifest {name} cannot be read: {error}"), "correct the path")
    };
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX) + 1;
    let mut content = Vec::new();
    let read = match path.to_str() {
        Some("-") => io::stdin().lock().take(limit).read_to_end(&mut content),
        _ => File::open(path).and_then(|file| file.take(limit).read_to_end(&mut content)),
    };
    if read.map_err(unreadable)? > bytes_max {
        let what = format!(
            "the manifest {name} brings the files above {MANIFEST_BYTES_MAX} bytes together"
        );
        return Err(Failure::usage(what, "apply them in several commands"));
    }
    Ok(content)
}

#[cfg(test)]
mod tests;
