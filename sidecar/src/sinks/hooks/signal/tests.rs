use super::{PID_FILE_BYTES_MAX, send};
use std::{
    fs,
    os::unix::{
        fs::{PermissionsExt, chown, symlink},
        process::ExitStatusExt,
    },
    path::Path,
    process::{Child, Command, Stdio},
};

/// A process that ends with the test, however that ends.
struct Sleeper(Child);

impl Drop for Sleeper {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn sleeper(user: Option<u32>) -> Sleeper {
    let mut command = Command::new("sleep");
    command.arg("600").stdin(Stdio::null());
    if let Some(user) = user {
        std::os::unix::process::CommandExt::uid(&mut command, user);
    }
    Sleeper(command.spawn().unwrap())
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[test]
fn the_named_process_gets_the_signal() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("agent.pid");
    for (name, number) in [("HUP", 1), ("USR1", 10), ("TERM", 15)] {
        let mut child = sleeper(None);
        fs::write(&file, format!("{}\n", child.0.id())).unwrap();
        send(name, &text(&file), None).unwrap();
        assert_eq!(child.0.wait().unwrap().signal(), Some(number));
        let gone = send(name, &text(&file), None).unwrap_err();
        assert!(gone.contains("does not run"), "{gone}");
    }
}

#[test]
fn a_file_that_cannot_be_trusted_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("agent.pid");
    let refused = || send("HUP", &text(&file), None).unwrap_err();
    assert!(refused().contains("No such file"), "{}", refused());
    let own = std::process::id().to_string();
    let long = format!("2{}", " ".repeat(usize::try_from(PID_FILE_BYTES_MAX).unwrap()));
    for content in ["", "x", "-5", "0", "1", "2 3", "99999999999", &own, &long] {
        fs::write(&file, content).unwrap();
        assert!(refused().contains("no number"), "{content:?}: {}", refused());
    }
    fs::write(&file, "2").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(refused().contains("anybody may write"), "{}", refused());
    let link = folder.path().join("link.pid");
    symlink(&file, &link).unwrap();
    assert!(send("HUP", &text(&link), None).is_err());
    assert!(send("HUP", &text(folder.path()), None).unwrap_err().contains("is no file"));
    assert!(send("KILL", &text(&file), None).is_err());
}

/// Whoever may write a pid file must not make a privileged sidecar signal others' processes.
#[test]
fn the_process_is_of_the_files_owner() {
    assert!(rustix::process::geteuid().is_root(), "run as root: it starts processes as others");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("agent.pid");
    let (theirs, others) = (sleeper(Some(NOBODY)), sleeper(None));
    fs::write(&file, theirs.0.id().to_string()).unwrap();
    chown(&file, Some(NOBODY), Some(NOBODY)).unwrap();
    let stranger = send("HUP", &text(&file), None).unwrap_err();
    assert!(stranger.contains("neither root, nor us"), "{stranger}");
    fs::write(&file, others.0.id().to_string()).unwrap();
    let lied = send("HUP", &text(&file), Some(NOBODY)).unwrap_err();
    assert!(lied.contains("runs as user 0"), "{lied}");
    fs::write(&file, theirs.0.id().to_string()).unwrap();
    send("TERM", &text(&file), Some(NOBODY)).unwrap();
    for (mut child, ended) in [(theirs, true), (others, false)] {
        if ended {
            assert_eq!(child.0.wait().unwrap().signal(), Some(15));
        } else {
            assert!(child.0.try_wait().unwrap().is_none());
        }
    }
}

const NOBODY: u32 = 65_534;
