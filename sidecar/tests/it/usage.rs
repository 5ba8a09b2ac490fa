//! The real binary: wrong usage, unusable input, and what the exit code says of it.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output, Stdio},
};

fn sidecar(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_secretref-sidecar"))
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// The exit code, and the one line that says why.
fn refused(args: &[&str]) -> (i32, String) {
    let output = sidecar(args);
    assert!(output.stdout.is_empty(), "data goes to standard output, and there is none");
    let text = String::from_utf8(output.stderr).unwrap();
    let error = text.lines().find(|line| line.starts_with("error: "));
    (output.status.code().unwrap(), error.unwrap_or_else(|| panic!("{text}")).to_owned())
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn wrong_usage_is_exit_2_with_the_fix() {
    let wrong: [(&[&str], &str); 8] = [
        (&[], "no command was given"),
        (&["start"], "there is no command \"start\""),
        (&["run"], "needs --broker"),
        (&["run", "--broker", "localhost:7443"], "needs --state-dir"),
        (&["run", "--broker", "https://localhost:7443"], "is not HOST:PORT"),
        (&["run", "--brokr", "localhost:7443"], "no option --brokr"),
        (&["enroll", "--broker", "h:1", "--state-dir", "s"], "needs --token-file"),
        (&["health", "--wait", "soon"], "is not a duration"),
    ];
    for (args, why) in wrong {
        let (code, error) = refused(args);
        assert_eq!(code, 2, "{args:?}: {error}");
        assert!(error.contains(why) && error.contains("Fix: "), "{args:?}: {error}");
    }
}

#[test]
fn a_token_as_an_argument_is_refused_and_not_repeated() {
    let token = "srj_notreallyatokenbutlookslikeone";
    for args in [
        vec!["run", "--token", token],
        vec!["enroll", "--token", token],
        vec!["run", "--broker", "h:1", token],
    ] {
        let (code, error) = refused(&args);
        assert_eq!(code, 2);
        assert!(!error.contains(token), "{error}");
    }
    let (code, error) = refused(&["run", &format!("--token={token}")]);
    assert!(code == 2 && error.contains("--token-file FILE") && !error.contains(token), "{error}");
}

#[test]
fn help_and_version_are_data() {
    for args in [vec!["--help"], vec!["help"], vec!["run", "--help"]] {
        let output = sidecar(&args);
        assert!(output.status.success() && output.stderr.is_empty());
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("--token-file") && text.contains("EXIT CODES"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 100));
    }
    let version = sidecar(&["version"]);
    let text = String::from_utf8(version.stdout).unwrap();
    assert_eq!(text, format!("secretref-sidecar {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_state_folder_that_others_can_read_is_refused_with_the_fix() {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let state = path(dir.path());
    let (code, error) = refused(&["run", "--broker", "127.0.0.1:1", "--state-dir", state]);
    assert_eq!(code, 2);
    assert!(error.contains(&format!("chmod 700 {state}")), "{error}");
}

#[test]
fn nobody_without_a_token_is_told_how_to_become_somebody() {
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let (state, secrets) = (dir.path().join("state"), dir.path().join("secrets"));
    let (state, secrets) = (path(&state), path(&secrets));
    let (code, error) = refused(&[
        "run",
        "--broker",
        "127.0.0.1:1",
        "--state-dir",
        state,
        "--secrets-dir",
        secrets,
    ]);
    assert_eq!(code, 2);
    assert!(error.contains("secretref agent token AGENT"), "{error}");
}

#[test]
fn a_damaged_token_is_named_and_not_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let (token, state) = (dir.path().join("token"), dir.path().join("state"));
    for text in ["srj_short", "hunter2-is-no-token"] {
        fs::write(&token, text).unwrap();
        let (code, error) = refused(&[
            "enroll",
            "--broker",
            "127.0.0.1:1",
            "--state-dir",
            path(&state),
            "--token-file",
            path(&token),
        ]);
        assert_eq!(code, 2);
        assert!(error.contains("is no join token") && !error.contains(text), "{error}");
    }
    let missing = dir.path().join("missing");
    let (code, error) = refused(&[
        "enroll",
        "--broker",
        "127.0.0.1:1",
        "--state-dir",
        path(&state),
        "--token-file",
        path(&missing),
    ]);
    assert!(code == 2 && error.contains("cannot be read"), "{error}");
}

#[test]
fn an_unreachable_broker_is_exit_69_of_enroll() {
    // Bound and dropped: nobody listens there.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let dir = tempfile::tempdir().unwrap();
    let (token, state) = (dir.path().join("token"), dir.path().join("state"));
    let secret = secretref_identity::join_token::JoinToken::new([7; 32].into(), [9; 32]);
    fs::write(&token, secret.expose().as_bytes()).unwrap();
    let (code, error) = refused(&[
        "enroll",
        "--broker",
        &address,
        "--state-dir",
        path(&state),
        "--token-file",
        path(&token),
    ]);
    assert_eq!(code, 69, "{error}");
    assert!(error.contains(&address), "{error}");
}

#[test]
fn health_of_nobody_is_exit_69() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let (code, error) = refused(&["health", "--address", &address]);
    assert_eq!(code, 69);
    assert!(error.contains("--health-listen"), "{error}");
}
