use super::{Bound, PATH_BYTES_MAX, SocketError};
use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt, symlink},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
};
use tempfile::TempDir;

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn names(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        names.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn refused(path: impl Into<PathBuf>) -> String {
    match Bound::bind(&path.into(), None) {
        Ok(_) => panic!("it was bound"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn it_is_there_with_its_mode_and_gone_at_the_end() {
    let folder = folder();
    let path = folder.path().join("agent.sock");
    let bound = Bound::bind(&path, None).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
    assert_eq!(names(folder.path()), [".agent.sock.lock", "agent.sock"]);
    UnixStream::connect(&path).unwrap();
    drop(bound);
    assert_eq!(names(folder.path()), [".agent.sock.lock"]);
    let own = fs::metadata(folder.path()).unwrap().gid();
    let _bound = Bound::bind(&path, Some(own)).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o660);
    assert_eq!(fs::metadata(&path).unwrap().gid(), own);
}

#[tokio::test]
async fn a_dead_one_is_replaced_and_a_living_one_is_not() {
    let folder = folder();
    let path = folder.path().join("agent.sock");
    drop(UnixListener::bind(&path).unwrap());
    let bound = Bound::bind(&path, None).unwrap();
    assert!(matches!(Bound::bind(&path, None), Err(SocketError::InUse { .. })));
    UnixStream::connect(&path).unwrap();
    drop(bound);
    let foreign = UnixListener::bind(&path).unwrap();
    assert!(matches!(Bound::bind(&path, None), Err(SocketError::InUse { .. })));
    drop(foreign);
    let bound = Bound::bind(&path, None).unwrap();
    fs::remove_file(&path).unwrap();
    let other = UnixListener::bind(&path).unwrap();
    drop(bound);
    assert!(path.exists(), "another's socket was taken away");
    drop(other);
}

#[tokio::test]
async fn what_cannot_be_trusted_is_refused() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("file"), "").unwrap();
    assert!(refused(at("file")).contains("something else than a socket"));
    symlink("file", at("link")).unwrap();
    assert!(refused(at("link")).contains("something else than a socket"));
    assert!(refused("agent.sock").contains("not absolute"));
    assert!(refused("/").contains("names no file"));
    assert!(refused(at("none/agent.sock")).contains("cannot open its folder"));
    assert!(refused(at("file/agent.sock")).contains("no folder"));
    assert!(refused(at(&"a".repeat(PATH_BYTES_MAX))).contains("90 at most"));
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o775)).unwrap();
    assert!(refused(at("agent.sock")).contains("others may write to its folder (mode 775)"));
    assert_eq!(names(folder.path()), ["file", "link"]);
}
