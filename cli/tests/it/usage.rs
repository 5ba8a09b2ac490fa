//! What is refused before anybody is asked.

use crate::{Ran, run};

fn bare(arguments: &[&str]) -> Ran {
    run(&[], arguments, b"")
}

#[test]
fn wrong_lines_end_with_2_and_one_line() {
    let table: [(&[&str], &str); 15] = [
        (&["turn"], "there is no command \"turn\"; there are put, get"),
        (&["put"], "<NAME> is missing"),
        (&["put", "Bad Name"], "is not a valid name"),
        (&["put", "a", "--label", "x"], "--label"),
        (&["put", "a", "--label", "k=1", "--label", "k=2"], "given twice"),
        (&["get", "a"], "--reveal is missing"),
        (&["get", "a", "--reveal"], "--reason TEXT is missing"),
        (&["get", "a", "--reveal", "--reason", " "], "--reason TEXT is missing"),
        (&["activate", "a"], "--version <N> is missing"),
        (&["apply"], "--file <FILE>... is missing"),
        (&["agent", "token", "A"], "is not a valid name"),
        (&["agent", "token", "a", "--ttl", "2d"], "1s to 24h"),
        (&["audit"], "audit of what?"),
        (&["version", "--wait"], "has no meaning"),
        (&["run", "--agent", "a", "--schedule", "@daily", "--restart", "always"], "say two things"),
    ];
    for (arguments, text) in table {
        let env = [("SECRETREF_ADDR", "127.0.0.1:1")];
        let ran = run(&env, arguments, b"");
        assert_eq!(ran.code, 2, "{arguments:?}: {}", ran.err);
        assert!(ran.out.is_empty(), "{arguments:?}");
        assert!(ran.err.contains(text), "{arguments:?}: {}", ran.err);
        assert_eq!(ran.err.lines().count(), 1, "{arguments:?}: {}", ran.err);
        assert!(ran.err.starts_with("error: ") && ran.err.contains(" Fix: "), "{}", ran.err);
    }
}

#[test]
fn a_value_as_an_argument_is_refused_and_not_repeated() {
    let lines: [&[&str]; 5] = [
        &["put", "a", "--value", "sk_live_CANARY"],
        &["put", "a", "--value=sk_live_CANARY"],
        &["put", "a", "sk_live_CANARY"],
        &["put", "a", "--", "-sk_live_CANARY"],
        &["put", "--value", "sk_live_CANARY", "a"],
    ];
    for arguments in lines {
        let ran = bare(arguments);
        assert_eq!(ran.code, 2, "{arguments:?}");
        assert!(!ran.err.contains("CANARY"), "{}", ran.err);
        assert!(ran.out.is_empty());
        assert!(ran.err.contains("secretref put NAME --value-file"), "{}", ran.err);
    }
}

#[test]
fn empty_and_large_values_are_refused_before_they_are_sent() {
    let put = |input: &[u8]| run(&[("HOME", "/nowhere")], &["put", "a"], input);
    let ran = put(b"");
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("the value is empty"), "{}", ran.err);
    let ran = put(&[b'x'; 65_537]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("more than 65536 bytes"), "{}", ran.err);
    // One byte less is a value, so the next hurdle is met.
    assert!(put(&[b'x'; 65_536]).err.contains("profile \"default\""));
}

#[test]
fn help_has_an_example_for_each_command() {
    let commands = [
        "put",
        "get",
        "list",
        "show",
        "versions",
        "activate",
        "destroy",
        "delete",
        "undelete",
        "apply",
        "agent",
        "status",
        "audit",
        "explain",
        "demo",
        "completion",
        "version",
    ];
    let all = bare(&["--help"]);
    assert_eq!(all.code, 0);
    for command in commands {
        let ran = bare(&["help", command]);
        assert_eq!(ran.code, 0, "{command}: {}", ran.err);
        assert!(ran.text().contains("Example"), "{command}");
        assert!(all.text().contains(command), "{command}");
    }
    for verb in ["list", "show", "token", "revoke"] {
        assert!(bare(&["help", "agent", verb]).text().contains("Example"), "{verb}");
    }
    let listed = all.text().lines().any(|line| line.trim_start().starts_with("gateway "));
    assert!(!listed && all.text().contains("secretref gateway run"), "{}", all.text());
}

#[test]
fn version_and_completion_need_no_broker() {
    assert_eq!(bare(&["version"]).text(), concat!("secretref ", env!("CARGO_PKG_VERSION"), "\n"));
    assert_eq!(bare(&["version", "--json"]).json()["api"], "secretref.v1");
    for shell in ["bash", "zsh", "fish"] {
        let ran = bare(&["completion", shell]);
        assert_eq!(ran.code, 0);
        assert!(ran.text().contains("undelete"), "{shell}");
    }
    assert_eq!(bare(&["completion", "tcsh"]).code, 2);
}

#[test]
fn without_a_command_the_help_says_so() {
    let ran = bare(&[]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("there are put, get"), "{}", ran.err);
}
