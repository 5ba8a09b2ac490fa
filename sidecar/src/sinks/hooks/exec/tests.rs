use super::run;
use crate::sinks::{
    hooks::{HookedFile, Permits},
    process::Reaper,
};
use secretref_domain::{
    agent::OnRotate,
    name::{FileName, SecretName},
    version::Version,
};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;
use tokio::time::timeout;

fn files() -> Vec<HookedFile> {
    let file = |name| HookedFile {
        file: FileName::parse(name).unwrap(),
        secret: SecretName::parse("stripe").unwrap(),
        version: Version::new(2).unwrap(),
        hook: OnRotate::None,
        fingerprint: String::new(),
        serial: 1,
    };
    vec![file("A"), file("b.ini")]
}

fn program(folder: &TempDir, script: &str) -> PathBuf {
    let path = folder.path().join("hook");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn permits(allowed: &[&Path]) -> Permits {
    let allow_exec = allowed.iter().map(|path| path.to_path_buf()).collect();
    Permits { allow_exec, reaper: Some(Reaper::start().unwrap()), group: None, openclaw: None }
}

#[tokio::test]
async fn it_gets_the_names_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let ours = fs::File::create(folder.path().join("ours")).unwrap();
    let list = "for fd in /proc/$$/fd/*; do readlink $fd; done; true";
    let script = format!("{{ echo \"$@\"; pwd; env; {list}; }} > {}", out.display());
    let path = program(&folder, &script);
    let name = path.to_str().unwrap().to_owned();
    run(&name, &files(), &permits(&[&path])).await.unwrap();
    let said = fs::read_to_string(&out).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[..2], ["A b.ini", "/"], "{said}");
    let strange = |line: &&str| {
        let shells_own = ["PATH=", "PWD=", "OLDPWD=", "SHLVL=", "_="];
        line.contains('=') && !shells_own.iter().any(|own| line.starts_with(own))
    };
    assert!(!lines.iter().any(strange), "{said}");
    assert!(said.contains("/dev/null") && !said.contains("/ours"), "{said}");
    drop(ours);
}

#[tokio::test]
async fn what_was_not_allowed_or_fails_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = program(&folder, "exit 3");
    let name = path.to_str().unwrap().to_owned();
    let other = permits(&[&folder.path().join("other"), folder.path()]);
    let refused = run(&name, &files(), &other).await.unwrap_err();
    assert_eq!(refused, format!("this sidecar was not started with --allow-exec {name}"));
    let allowed = permits(&[&path]);
    assert_eq!(run(&name, &files(), &allowed).await.unwrap_err(), "it ended with code 3");
    program(&folder, "kill -9 $$");
    let killed = run(&name, &files(), &allowed).await.unwrap_err();
    assert_eq!(killed, "signal 9 ended it");
    fs::remove_file(&name).unwrap();
    assert!(run(&name, &files(), &allowed).await.unwrap_err().contains("not started"));
}

/// Dropped in the middle, as by its time limit, it ends with its own children.
#[tokio::test]
async fn a_dropped_one_ends_with_all_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Both hold the pipe open until they end.
    let script = format!("exec > {}\nsleep 600 &\nsleep 600", pipe.display());
    let path = program(&folder, &script);
    let name = path.to_str().unwrap().to_owned();
    let reading = tokio::task::spawn_blocking(move || fs::read(pipe));
    let allowed = permits(&[&path]);
    let files = files();
    let running = run(&name, &files, &allowed);
    assert!(timeout(Duration::from_millis(300), running).await.is_err(), "it ended by itself");
    let read = timeout(Duration::from_secs(60), reading).await.expect("somebody has it still open");
    assert!(read.unwrap().unwrap().is_empty());
}
