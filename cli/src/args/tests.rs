use super::*;
use crate::failure::Exit;

fn line(words: &[&str]) -> Result<Args, NotACommand> {
    let arguments: Vec<OsString> =
        std::iter::once("secretref").chain(words.iter().copied()).map(OsString::from).collect();
    parse(&arguments)
}

fn refusal(words: &[&str]) -> String {
    match line(words) {
        Err(NotACommand::Wrong(failure)) => {
            assert_eq!(failure.exit, Exit::Usage, "{words:?}");
            let text = failure.to_string();
            assert_eq!(text.lines().count(), 1, "{text}");
            assert!(text.starts_with("error: ") && text.contains(". Fix: "), "{text}");
            text
        }
        Err(NotACommand::Help(help)) => panic!("{words:?} gave help: {help}"),
        Ok(_) => panic!("{words:?} was taken"),
    }
}

#[test]
fn the_tree_of_commands_is_sound_and_each_has_an_example() {
    fn check(command: &clap::Command) {
        for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
            let name = sub.get_name();
            let help = sub.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example"), "{name} has no example");
            assert!(help.contains("secretref"), "{name}'s example is none");
            check(sub);
        }
    }
    let root = Args::command();
    root.clone().debug_assert();
    check(&root);
}

#[test]
fn a_wrong_line_says_what_and_where_to_look() {
    let unknown = refusal(&["turn", "stripe-api-key"]);
    assert!(unknown.contains("no command \"turn\"; there are put, get, list"), "{unknown}");
    assert!(!unknown.contains("gateway"), "{unknown}");
    assert!(refusal(&["agent", "explode"]).contains("there are list, show, "));
    assert!(refusal(&["lsit"]).contains("did you mean list"));
    assert!(refusal(&["get"]).contains("<NAME> is missing"));
    assert!(refusal(&["get"]).contains("see secretref help get"));
    assert!(refusal(&["get", "a", "b"]).contains("b is not known here"));
    assert!(refusal(&["activate", "a", "--version", "x"]).contains("\"x\" is not valid"));
    assert!(refusal(&["activate", "a", "--version", "0"]).contains("\"0\" is not valid"));
    assert!(refusal(&["list", "--profil", "x"]).contains("did you mean --profile"));
    assert!(
        refusal(&["put", "a", "--ttl", "1d", "--expires-at", "2030-01-01"]).contains("together")
    );
    assert!(refusal(&["list", "--environment", "No!"]).contains("environment name"));
    assert!(refusal(&["agent"]).contains("a command is missing"));
    assert!(refusal(&["audit", "--check"]).contains("--secrets"));
}

#[test]
fn an_option_without_meaning_is_refused() {
    for option in ["--profile=x", "--environment=x", "--wait"] {
        assert!(refusal(&["version", option]).contains("has no meaning"), "{option}");
    }
    assert!(refusal(&["completion", "bash", "--json"]).contains("--json has no meaning"));
    assert!(line(&["version", "--json"]).is_ok());
}

#[test]
fn what_could_be_a_value_is_not_repeated() {
    let canary = "sk_live_CANARY";
    let lines: [&[&str]; 7] = [
        &["put", "a", "--ttl", canary],
        &["put", "a", "--ttl", "1d", "--if-version", canary],
        &["put", "a", "--valeu", canary, "--nope"],
        &["put", "a", "--valeu=sk_live_CANARY"],
        &["put", "a", "--sk_live_CANARY"],
        &["put", "a", "-----BEGIN sk_live_CANARY-----"],
        &["put", "a", "--label", canary],
    ];
    for words in lines {
        let text = refusal(words);
        assert!(!text.contains("CANARY") && !text.contains("sk_live"), "{text}");
    }
}

#[test]
fn a_duration_after_wait_is_its_own() {
    let wait = |words: &[&str]| match line(words) {
        Ok(args) => args.global.wait.map(|wait| wait.as_secs()),
        Err(_) => panic!("{words:?}"),
    };
    assert_eq!(wait(&["list", "--wait"]), Some(60));
    assert_eq!(wait(&["list", "--wait", "5s"]), Some(5));
    assert_eq!(wait(&["list", "--wait=2m"]), Some(120));
    assert_eq!(wait(&["show", "--wait", "stripe-api-key"]), Some(60));
    assert_eq!(wait(&["--wait", "5s", "list"]), Some(5));
    assert_eq!(wait(&["list"]), None);
}

#[test]
fn durations() {
    let table = [("30s", 30), ("10m", 600), ("2h", 7_200), ("90d", 7_776_000), ("2w", 1_209_600)];
    for (text, seconds) in table {
        assert_eq!(duration(text).map(|duration| duration.as_secs()), Ok(seconds), "{text}");
    }
    let huge = "99999999999999999999d";
    for text in ["", "s", "5", "5x", "-5s", "1.5h", "5 s", "５s", huge, "9999999999w", "5µ"] {
        assert!(duration(text).is_err(), "{text}");
    }
    assert!(moment("tomorrow").is_err());
    assert!(since("2h").is_ok() && since("2026-11-01").is_ok() && since("x").is_err());
}

#[test]
fn longer_names_are_the_same_commands() {
    let lines = [
        "run --agent finance-analyst --secrets-ref stripe-api-key --env STRIPE_API_KEY \
         --secrets-provider file",
        "run --agent a --log-level info",
        "run --agent a --schedule @daily --schedule-timezone Asia/Tokyo --schedule-overlap queue",
        "status --agent payment-analyst --secrets",
        "status --secrets --all",
        "audit --secrets --verbose",
    ];
    for words in lines {
        let mut words: Vec<&str> = words.split_whitespace().collect();
        assert!(line(&words).is_ok(), "{words:?}");
        words.insert(0, "gateway");
        assert!(line(&words).is_ok(), "{words:?}");
    }
    assert!(refusal(&["status", "--interval", "5s"]).contains("--watch"));
    assert!(refusal(&["status", "--watch", "--interval", "2h"]).contains("1s to 1h"));
    assert!(line(&["status", "--watch", "--interval", "1h", "--all", "--json"]).is_ok());
    assert!(refusal(&["gateway", "put"]).contains("there are run, status, audit"));
    let run = |options: &[&str]| refusal(&[&["run", "--agent", "a"], options].concat());
    let article = ["run", "--agent", "a", "--schedule", "0 9 * * 1-5", "--", "x"];
    assert!(line(&article).is_ok());
    assert!(line(&[&["gateway"], &article[..5], &["--log-level", "info"]].concat()).is_ok());
    assert!(run(&["--schedule", "0 9 * *"]).contains("it has 4 fields"));
    assert!(run(&["--schedule-timezone", "UTC"]).contains("--schedule <CRON>"));
    assert!(run(&["--schedule", "@daily", "--schedule-timezone", "../x"]).contains("IANA"));
    let overlap = run(&["--schedule", "@daily", "--schedule-overlap", "both"]);
    assert!(overlap.contains("one of skip, queue, replace"), "{overlap}");
    let alias = ["run", "--agent", "a", "--secrets-provider", "No Alias"];
    assert!(refusal(&alias).contains("provider alias"), "{}", refusal(&alias));
}
