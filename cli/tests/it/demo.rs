//! What of the demo needs no broker: its guard over processes, and its errors.

use crate::run;
use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio, id},
    thread,
    time::{Duration, Instant},
};

#[test]
fn missing_programs_are_named() {
    let binary = Path::new(env!("CARGO_BIN_EXE_secretref"));
    let folder = tempfile::tempdir_in(binary.parent().unwrap()).unwrap();
    let alone = folder.path().join("secretref");
    // A copy could not be started while another test's child still holds it open for writing.
    fs::hard_link(binary, &alone).unwrap();
    let output = Command::new(alone).arg("demo").env_clear().output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("this needs secretref-broker"), "{text}");
    assert!(text.contains("Fix: cargo build"), "{text}");
}

#[test]
fn a_child_becomes_its_program() {
    let me = id().to_string();
    let ran = run(&[], &["demo", "child", "--parent", &me, "--", "/bin/echo", "--json"], b"");
    assert_eq!((ran.code, ran.text()), (0, "--json\n"), "{}", ran.err);
    let ran = run(&[], &["demo", "child", "--parent", &me, "--", "/nowhere"], b"");
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("/nowhere cannot be started"), "{}", ran.err);
    let ran = run(&[], &["demo", "child", "--parent", "1", "--", "/bin/echo"], b"");
    assert_eq!((ran.code, ran.text()), (1, ""));
    assert!(ran.err.contains("the demo has ended"), "{}", ran.err);
}

#[cfg(target_os = "linux")]
#[test]
fn a_child_dies_with_its_parent_however_that_ends() {
    let script = format!(
        "{} demo child --parent $$ -- /bin/sh -c 'echo $$; exec sleep 600' & wait",
        env!("CARGO_BIN_EXE_secretref")
    );
    let mut parent =
        Command::new("/bin/sh").args(["-c", &script]).stdout(Stdio::piped()).spawn().unwrap();
    let mut pid = String::new();
    BufReader::new(parent.stdout.take().unwrap()).read_line(&mut pid).unwrap();
    let state = format!("/proc/{}/stat", pid.trim());
    assert!(fs::metadata(&state).is_ok());
    parent.kill().unwrap();
    parent.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    // Gone, or dead and waiting for whoever inherited it.
    while fs::read_to_string(&state).is_ok_and(|stat| !stat.contains(") Z ")) {
        assert!(Instant::now() < deadline, "the child outlived its parent");
        thread::yield_now();
    }
}
