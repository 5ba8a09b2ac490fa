use super::*;
use std::os::unix::process::ExitStatusExt;

fn shell(script: &str) -> (tempfile::TempDir, Process) {
    let logs = tempfile::tempdir().expect("a folder");
    let mut command = Command::new("/bin/sh");
    let process = Process::start("shell", command.args(["-c", script]), logs.path());
    (logs, process.expect("a shell"))
}

const SOON: Duration = Duration::from_secs(30);

#[test]
fn a_line_is_found_whether_it_came_before_or_comes_later() {
    let (_logs, process) = shell("echo one; echo two >&2; exec tail -f /dev/null");
    process.wait_for_line("two", SOON).expect("the second line");
    assert_eq!(process.wait_for_line("one", SOON).expect("the first line"), "one");
}

#[test]
fn one_that_ends_without_the_line_is_reported_with_what_it_said() {
    let (_logs, process) = shell("echo only this; exit 3");
    let error = process.wait_for_line("that", SOON).expect_err("no such line").to_string();
    assert!(error.contains("ended without \"that\"") && error.contains("only this"), "{error}");
}

#[test]
fn a_deadline_that_passes_is_an_error() {
    let (_logs, mut process) = shell("exec tail -f /dev/null");
    let brief = Duration::from_millis(1);
    let error = process.wait_for_line("never", brief).expect_err("no such line").to_string();
    assert!(error.contains("did not say in time"), "{error}");
    assert!(process.wait(brief).expect_err("it runs").to_string().contains("has not ended"));
}

#[test]
fn exit_codes_and_signals_are_told_apart_and_output_is_on_disk() {
    let (_logs, mut process) = shell("echo kept; exit 7");
    assert_eq!(process.wait(SOON).expect("an end").code(), Some(7));
    assert_eq!(process.said().expect("a log"), "kept\n");
    let (_logs, mut process) = shell("exec tail -f /dev/null");
    assert_eq!(process.terminate(SOON).expect("an end").signal(), Some(Signal::TERM.as_raw()));
    let (_logs, mut process) = shell("trap '' TERM; exec tail -f /dev/null");
    process.kill9().expect("an end");
    assert_eq!(process.wait(SOON).expect("an end").signal(), Some(Signal::KILL.as_raw()));
}

#[test]
fn a_binary_that_is_not_built_is_named_with_the_command_that_builds_it() {
    let error = binary("no-such-binary").expect_err("no such binary").to_string();
    assert!(error.contains("no-such-binary is not built. Fix: cargo build"), "{error}");
}
