use super::*;

fn words(line: &str) -> Result<Command, UsageError> {
    parse(line.split_whitespace().map(OsString::from))
}

#[test]
fn run_takes_everything_it_documents() {
    let command = words(
        "run --broker [::1]:7443,b:1 --broker c:2 --token-file - --state-dir /s \
         --secrets-dir=/x --allow-disk \
         --socket /x/s \
         --group 1000 --agent payment-analyst --health-listen 127.0.0.1:1 --wait-timeout 90s \
         --log-level debug --log-format json --remove-secrets-dir --remove-state-dir \
         --openclaw-gateway ws://[::1]:18790/ --openclaw-token-file /t \
         --allow-exec /bin/a --allow-exec /bin/b --only-env A,B --secrets-ref x,y --env A \
         --secrets-provider vault \
         --on-rotate signal:HUP --restart on-failure -- prog --agent other -- x",
    );
    let expected = RunConfig {
        brokers: ["[::1]:7443", "b:1", "c:2"].map(str::to_owned).into(),
        token: Some(TokenSource::Stdin),
        state_dir: "/s".into(),
        secrets_dir: "/x".into(),
        no_files: false,
        socket: Some("/x/s".into()),
        allow_exec: vec!["/bin/a".into(), "/bin/b".into()],
        openclaw: Some(OpenClawConfig {
            address: "[::1]:18790".parse().unwrap(),
            token_file: "/t".into(),
        }),
        allow_disk: true,
        group: Some(1000),
        health_listen: Some("127.0.0.1:1".parse().unwrap()),
        agent: Some(AgentName::parse("payment-analyst").unwrap()),
        wait_timeout: Some(Duration::from_secs(90)),
        remove_secrets_dir: true,
        remove_state_dir: true,
        secrets_provider: Some(ProviderAlias::parse("vault").unwrap()),
        program: ProgramConfig {
            command: ["prog", "--agent", "other", "--", "x"].map(OsString::from).to_vec(),
            agent_command: false,
            choice: Choice {
                only_env: Some(["A", "B"].map(|name| EnvVar::parse(name).unwrap()).into()),
                refs: vec![
                    (SecretName::parse("x").unwrap(), Some(EnvVar::parse("A").unwrap())),
                    (SecretName::parse("y").unwrap(), None),
                ],
                on_rotate: Some(OnRotate::Signal("HUP".into())),
            },
            restart: Restart::OnFailure,
            schedule: None,
        },
        log: LogConfig { level: LevelFilter::DEBUG, json: true },
    };
    assert_eq!(command.unwrap(), Command::Run(Box::new(expected)));
}

/// A command line whose words may have blanks.
fn scheduled(options: &[&str]) -> Result<ScheduleConfig, UsageError> {
    let start = ["run", "--broker", "h:1", "--state-dir", "s"];
    let line = start.iter().chain(options).chain(&["--", "prog"]);
    match parse(line.map(OsString::from))? {
        Command::Run(config) => Ok(config.program.schedule.unwrap()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_schedule_has_a_zone_and_an_overlap() {
    let plain = scheduled(&["--schedule", "0 9 * * 1-5"]).unwrap();
    assert_eq!(plain.schedule.as_str(), "0 9 * * 1-5");
    let by_default = (TimeZone::UTC, "UTC", Overlap::Skip);
    assert_eq!((plain.zone, plain.zone_name.as_str(), plain.overlap), by_default);
    for (word, overlap) in
        [("skip", Overlap::Skip), ("queue", Overlap::Queue), ("replace", Overlap::Replace)]
    {
        let all = ["--schedule", "@daily", "--schedule-timezone", "europe/berlin"];
        let all = scheduled(&[&all[..], &["--schedule-overlap", word, "--restart", "no"]].concat());
        let all = all.unwrap();
        assert_eq!((all.zone_name.as_str(), all.overlap), ("Europe/Berlin", overlap));
    }
    let wrong = [
        (&["--schedule", "0 9 * *"][..], "it has 4 fields"),
        (&["--schedule", "@daily", "--schedule-timezone", "Mars/Olympus"], "no time zone"),
        (&["--schedule", "@daily", "--schedule-timezone", "../UTC"], "no time zone"),
        (&["--schedule", "@daily", "--schedule-overlap", "both"], "\"both\" is none"),
        (&["--schedule", "@daily", "--restart", "always"], "two things"),
        (&["--schedule-timezone", "UTC"], "there is none"),
        (&["--schedule-overlap", "skip"], "there is none"),
    ];
    for (options, what) in wrong {
        let error = scheduled(options).unwrap_err();
        assert!(error.what.contains(what), "{options:?}: {error}");
    }
    let none = words("run --broker h:1 --state-dir s --allow-exec /x --schedule @daily");
    assert!(none.unwrap_err().what.contains("none is started"));
}

#[test]
fn run_needs_little() {
    let Ok(Command::Run(config)) = words("run --broker h:1 --state-dir s") else { panic!() };
    assert_eq!(config.secrets_dir, PathBuf::from(SECRETS_DIR_DEFAULT));
    assert_eq!((config.token, config.group, config.agent), (None, None, None));
    assert_eq!(config.log, LogConfig::default());
    let group = words("run --broker h:1 --state-dir s --group root");
    assert!(matches!(group, Ok(Command::Run(config)) if config.group == Some(0)));
}

#[test]
fn without_files_there_is_a_socket_and_nothing_that_only_files_need() {
    let run = |rest: &str| words(&format!("run --broker h:1 --state-dir s {rest}"));
    let Ok(Command::Run(config)) = run("--no-files --socket /s") else { panic!() };
    assert!(config.no_files);
    for (rest, what) in [
        ("--no-files", "no way to its secrets"),
        ("--no-files --socket /s --secrets-dir /x", "mean nothing"),
        ("--no-files --socket /s --allow-disk", "mean nothing"),
        ("--socket /s --socket /t", "given twice"),
        ("--allow-exec reload", "not absolute"),
    ] {
        let error = run(rest).unwrap_err();
        assert!(error.what.contains(what), "{rest}: {error}");
    }
}

#[test]
fn openclaw_is_on_this_host_and_has_a_token() {
    let run = |rest: &str| words(&format!("run --broker h:1 --state-dir s {rest}"));
    let Ok(Command::Run(config)) = run("--openclaw-token-file /t") else { panic!() };
    assert_eq!(config.openclaw.unwrap().address, OPENCLAW_ADDRESS_DEFAULT);
    for (rest, what) in [
        ("--openclaw-gateway ws://127.0.0.1:1", "wants a token"),
        ("--openclaw-gateway ws://10.0.0.1:18789", "of this host"),
        ("--openclaw-gateway ws://0.0.0.0:18789", "of this host"),
        ("--openclaw-gateway ws://localhost:18789", "of this host"),
        ("--openclaw-gateway ws://127.0.0.1:0", "of this host"),
        ("--openclaw-gateway http://127.0.0.1:18789", "of this host"),
        ("--openclaw-gateway ws://127.0.0.1:1/x", "of this host"),
        ("--openclaw-token-file", "needs a value"),
    ] {
        let error = run(rest).unwrap_err();
        assert!(error.what.contains(what), "{rest}: {error}");
    }
}

#[test]
fn every_option_of_the_help_is_taken_and_every_other_is_not() {
    let options = HELP.lines().filter_map(|line| line.strip_prefix("  --"));
    let mut seen = 0;
    for option in options {
        let name = option.split([' ', '\n']).next().unwrap();
        let line = match name {
            "address" | "live" | "wait" => format!("health --{name}"),
            _ => format!("run --{name}"),
        };
        let error = words(&line).map(|_| String::new()).unwrap_or_else(|error| error.what);
        assert!(!error.contains("has no option"), "{line}: {error}");
        seen += 1;
    }
    assert!(seen >= 14, "{seen}");
    assert!(words("run --colour").unwrap_err().what.contains("no option --colour"));
}

#[test]
fn errors_say_what_and_how() {
    let run = "run --broker h:1 --state-dir s";
    let table = [
        ("", "no command"),
        ("--broker h:1", "before the command"),
        ("fetch", "no command \"fetch\""),
        ("version now", "no place for \"now\""),
        ("run --state-dir s", "needs --broker"),
        ("run --broker", "--broker needs a value"),
        ("run --broker h --state-dir s", "not HOST:PORT"),
        ("run --broker h:0 --state-dir s", "not HOST:PORT"),
        ("run --broker h:70000 --state-dir s", "not HOST:PORT"),
        ("run --broker :1 --state-dir s", "not HOST:PORT"),
        ("run --broker a/b:1 --state-dir s", "not HOST:PORT"),
        ("run --broker h:1 --broker h:1 --state-dir s", "names h:1 twice"),
        ("run --broker h:1, --state-dir s", "not HOST:PORT"),
        ("run --broker h:1 --state-dir s --group nosuchgroup", "no group"),
        ("run --broker h:1 --state-dir s --agent A", "agent name"),
        ("run --broker h:1 --state-dir s --wait-timeout 5", "not a duration"),
        ("run --broker h:1 --state-dir s --wait-timeout 25h", "not a duration"),
        ("run --broker h:1 --state-dir s --log-level loud", "--log-level"),
        ("run --broker h:1 --state-dir s --log-format xml", "--log-format"),
        ("run --broker h:1 --state-dir s --health-listen localhost", "not an address"),
        ("run --broker h:1 --state-dir s --allow-disk=yes", "takes no value"),
        ("run --broker h:1 --state-dir s extra", "no place for \"extra\""),
        ("run --token srj_x", "never an argument"),
        ("enroll --broker h:1 --state-dir s", "needs --token-file"),
        ("enroll --secrets-dir x", "`enroll` has no option --secrets-dir"),
        ("run --broker h:1 --state-dir s --", "no program after"),
        ("run --broker h:1 --state-dir s --only-env A", "none is started"),
        ("run --broker h:1 --state-dir s --secrets-provider V", "--secrets-provider"),
        ("run --broker h:1 --state-dir s --only-env a-b -- x", "--only-env"),
        ("run --broker h:1 --state-dir s --env A -- x", "more --env than"),
        ("run --broker h:1 --state-dir s --on-rotate exec:/x -- x", "--on-rotate"),
        ("run --broker h:1 --state-dir s --restart maybe -- x", "--restart"),
        ("run --broker h:1 --state-dir s --allow-exec x", "not absolute"),
        ("run --broker h:1 --state-dir s --agent-command -- x", "one too many"),
        ("enroll --broker h:1 --state-dir s -- x", "starts no program"),
        ("exec-child --parent 1 -- x", "not for people"),
        ("health --socket x", "`health` has no option --socket"),
    ];
    for (line, what) in table {
        let error = words(line).unwrap_err();
        assert!(error.what.contains(what), "{line}: {error}");
        assert!(!error.fix.is_empty(), "{line}");
    }
    assert!(words(run).is_ok());
}

#[test]
fn durations_have_units() {
    let wait = |text: &str| match words(&format!("health --wait {text}")) {
        Ok(Command::Health(config)) => config.wait,
        other => panic!("{other:?}"),
    };
    assert_eq!(wait("500ms"), Duration::from_millis(500));
    assert_eq!(wait("2m"), Duration::from_secs(120));
    assert_eq!(wait("24h"), WAIT_MAX);
}
