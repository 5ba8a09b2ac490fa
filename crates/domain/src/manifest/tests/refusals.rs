//! What is wrong is named: where, what, and what to do.

use super::*;

fn has(error: &ManifestError, path: &str, problem: &str, fix: &str) {
    assert_eq!(error.path, path, "{error}");
    assert!(error.problem.contains(problem), "{error}");
    assert!(error.fix.contains(fix), "{error}");
}

#[test]
fn an_unknown_key_names_its_path_and_the_nearest_known_one() {
    let error = only(&agent("\"capabilites\": []"));
    has(&error, "agents.a.capabilites", "unknown", "did you mean `capabilities`?");
    let error = only(&credential("\"env_var\": \"A\""));
    let path = "agents.a.tool-bindings.t.credentials.k.env_var";
    has(&error, path, "unknown", "did you mean `envVar`?");
    let error = only(&agent("\"zzzzzzzzzzzz\": 1"));
    has(&error, "agents.a.zzzzzzzzzzzz", "unknown", "the nearest known key is");
    let error = only(&agent("\"envVar\": \"A\""));
    has(&error, "agents.a.envVar", "unknown", "`envVar` is a key of a credential");
    let printed = error.to_string();
    assert!(printed.starts_with("m.json: agents.a.envVar: the key \"envVar\" is unknown. Fix: "));
}

#[test]
fn a_wrong_type_says_what_was_found_and_what_was_wanted() {
    let cases = [
        ("\"name\": 1", "name", "found a number, wanted a text"),
        ("\"capabilities\": \"x\"", "capabilities", "found a text, wanted a list"),
        ("\"capabilities\": [{}]", "capabilities[0]", "found an object, wanted a name"),
        ("\"command\": [true]", "command[0]", "found `true` or `false`, wanted a text"),
        ("\"tool-bindings\": []", "tool-bindings", "found a list, wanted an object"),
        ("\"runtime\": null", "runtime", "found `null`, wanted a text"),
        (
            "\"auth-profiles\": {\"t\": {\"required\": \"yes\"}}",
            "auth-profiles.t.required",
            "found a text, wanted `true` or `false`",
        ),
    ];
    for (members, path, problem) in cases {
        has(&only(&agent(members)), &format!("agents.a.{path}"), problem, "");
    }
    has(&only("[]"), "", "found a list, wanted an object (a manifest)", "");
    let error = only(&credential("\"mode\": 440"));
    has(&error, "agents.a.tool-bindings.t.credentials.k.mode", "found a number", "\"0440\"");
}

#[test]
fn names_outside_their_grammars_are_refused() {
    let error = only("{\"agents\": {\"Big Agent\": {}}}");
    has(&error, "agents[\"Big Agent\"]", "agent name \"Big Agent\" is not a valid name", "");
    only("{\"agents\": {\"\": {}}}");
    only("{\"refMap\": {\"a/../b\": {}}}");
    only("{\"environments\": {\"Prod\": {}}}");
    only("{\"secrets\": {\"providers\": {\"1file\": {\"type\": \"file\"}}}}");
    only("{\"openclaw\": {\"gateway\": {\"environment\": \"Prod!\"}}}");
    only("{\"openclaw\": {\"gateway\": {\"secrets\": {\"active-provider\": \"\"}}}}");
    only(&agent("\"tool-bindings\": {\"a b\": {}}"));
    only(&agent(
        "\"tool-bindings\": {\"t\": {\"credentials\": {\"a/b\": {\"secretRef\": \"s\"}}}}",
    ));
    only(&credential("\"envVar\": \"A-B\""));
    only(&credential("\"file\": \"../a\""));
    only(&credential("\"file\": \".hidden\""));
    only("{\"alerts\": {\"channels\": {\"\": {\"type\": \"log\"}}}}");
}

#[test]
fn a_rotator_has_what_its_type_needs_and_nothing_in_vain() {
    let vault = "\"type\": \"vault\", \"address\": \"https://v\", \"secrets\": {}";
    let cases = [
        ("\"type\": \"exec\"".to_owned(), "r", "needs `command`"),
        ("\"type\": \"http\"".to_owned(), "r", "needs `file`"),
        ("\"type\": \"vault\", \"path\": \"a\", \"secrets\": {}".to_owned(), "r", "`address`"),
        (vault.to_owned(), "r", "either a `path` or a `role`"),
        (format!("{vault}, \"path\": \"a\", \"role\": \"b\""), "r", "either a `path` or a `role`"),
        (
            "\"type\": \"exec\", \"command\": \"c\", \"timeoutMs\": 55001".to_owned(),
            "r.timeoutMs",
            "out of its range",
        ),
    ];
    for (settings, place, said) in cases {
        let text = format!("{{\"secrets\": {{\"rotators\": {{\"r\": {{{settings}}}}}}}}}");
        has(&only(&text), &format!("secrets.rotators.{place}"), said, "");
    }
}

#[test]
fn a_single_agent_needs_its_name_and_a_place_of_its_own() {
    has(&only("{\"agent\": {}}"), "agent", "has no `id`", "\"id\"");
    let both = "{\"agents\": {\"a\": {}}, \"agent\": {\"id\": \"a\"}}";
    has(&only(both), "agent.id", "under `agents` too", "");
    has(&only(&agent("\"id\": \"b\"")), "agents.a.id", "unknown", "");
}

#[test]
fn a_ref_in_both_maps_of_a_file_is_refused() {
    let text = "{\"refMap\": {\"s\": {}}, \
                \"openclaw\": {\"gateway\": {\"secrets\": {\"refMap\": {\"s\": {}}}}}}";
    has(&only(text), "openclaw.gateway.secrets.refMap.s", "both refMaps", "");
}

fn two(one: &str, other: &str) -> String {
    agent(&format!(
        "\"tool-bindings\": {{\"t\": {{\"credentials\": {{\"one\": {{{one}}}}}}}, \
         \"u\": {{\"credentials\": {{\"other\": {{{other}}}}}}}}}"
    ))
}

#[test]
fn one_file_and_one_variable_hold_one_ref() {
    let path = "agents.a.tool-bindings.u.credentials.other";
    let cases = [
        ("\"secretRef\": \"x\", \"file\": \"f\"", "\"secretRef\": \"y\", \"file\": \"f\"", "file"),
        (
            "\"secretRef\": \"x\", \"envVar\": \"V\"",
            "\"secretRef\": \"y\", \"envVar\": \"V\"",
            "file",
        ),
        (
            "\"secretRef\": \"x\", \"file\": \"V\"",
            "\"secretRef\": \"y\", \"envVar\": \"V\"",
            "file",
        ),
        ("\"secretRef\": \"x\", \"file\": \"other\"", "\"secretRef\": \"y\"", "file"),
        (
            "\"secretRef\": \"x\", \"envVar\": \"V\", \"file\": \"f\"",
            "\"secretRef\": \"y\", \"envVar\": \"V\", \"file\": \"g\"",
            "variable",
        ),
    ];
    for (one, other, what) in cases {
        let error = only(&two(one, other));
        has(&error, path, what, "another `file`");
        assert!(error.problem.contains("\"x\"") && error.problem.contains("\"y\""), "{error}");
        assert!(error.problem.contains("agents.a.tool-bindings.t.credentials.one"), "{error}");
    }
    let same = "\"secretRef\": \"x\", \"file\": \"f\"";
    good(&two(same, same));
    let error = only(&two(same, &format!("{same}, \"mode\": \"0400\"")));
    has(&error, path, "another mode, owner or template", "");
}

#[test]
fn refs_fit_their_providers() {
    let reference = |members: &str| format!("{{\"refMap\": {{\"s\": {{{members}}}}}}}");
    good(&reference("\"provider\": \"store\", \"target\": \"other/name\""));
    good(&reference("\"provider\": \"file\", \"target\": \"/Any Pointer\""));
    good(&reference("\"provider\": \"unknown-yet\", \"target\": \"Anything\""));
    good(&reference("\"target\": \"Not A Name\""));
    let error = only(&reference("\"provider\": \"store\", \"target\": \"Not A Name\""));
    has(&error, "refMap.s.target", "a target in `store` is a secret name", "[a-z0-9]");
    let error = only(&reference("\"provider\": \"env\", \"target\": \"a-b\""));
    has(&error, "refMap.s.target", "environment variable", "[A-Za-z_]");
    let list = "\"fallback\": [{\"provider\": \"store\", \"target\": \"No No\"}]";
    has(&only(&reference(list)), "refMap.s.fallback[0].target", "a target in `store`", "");
    let error = only(&reference("\"fallback\": [{\"target\": \"x\"}]"));
    has(&error, "refMap.s.fallback[0]", "no `provider`", "ALIAS");
    has(&only(&reference("\"path\": \"x\"")), "refMap.s.path", "unknown", "ref of an environment");
    let alias = "{\"refMap\": {\"s\": {\"provider\": \"mine\", \"target\": \"No No\"}}, \
                 \"secrets\": {\"providers\": {\"mine\": {\"type\": \"store\"}}}}";
    has(&only(alias), "refMap.s.target", "a target in `store`", "");
    let active = "{\"refMap\": {\"s\": {\"target\": \"No No\"}}, \
                  \"openclaw\": {\"gateway\": {\"secrets\": {\"active-provider\": \"store\"}}}}";
    has(&only(active), "refMap.s.target", "a target in `store`", "");
    let over = |members: &str| {
        format!("{{\"environments\": {{\"e\": {{\"secrets\": {{\"s\": {{{members}}}}}}}}}}}")
    };
    good(&over("\"provider\": \"file\", \"path\": \"p\", \"target\": \"/x\""));
    let error = only(&over("\"provider\": \"store\", \"path\": \"p\""));
    has(&error, "environments.e.secrets.s.path", "has no paths", "target");
    let error = only(&over("\"provider\": \"vault\", \"path\": \"p\", \"target\": \"x\""));
    has(&error, "environments.e.secrets.s.target", "the same thing", "PATH#FIELD");
}

#[test]
fn providers_have_the_keys_of_their_type() {
    let provider = |alias: &str, members: &str| {
        format!("{{\"secrets\": {{\"providers\": {{\"{alias}\": {{{members}}}}}}}}}")
    };
    let error = only(&provider("fyle", "\"path\": \"x\""));
    has(&error, "secrets.providers.fyle", "has no `type`", "nearest to its alias is `file`");
    let error = only(&provider("mine", "\"type\": \"valt\""));
    has(&error, "secrets.providers.mine.type", "none of the words", "nearest is `vault`");
    let error = only(&provider("file", "\"type\": \"vault\""));
    has(&error, "secrets.providers.file", "the name of a type", "alias of its own");
    let error = only(&provider("file", "\"adress\": \"x\""));
    has(&error, "secrets.providers.file.adress", "unknown", "type `file`");
    let error = only(&provider("vault", "\"adress\": \"https://x\""));
    has(&error, "secrets.providers.vault.adress", "unknown", "did you mean `address`?");
    let error = only(&provider("aws-secretsmanager", "\"roleArn\": \"x\""));
    let at = "secrets.providers.aws-secretsmanager.roleArn";
    has(&error, at, "unknown", "roles are not assumed");
    let error = only(&provider("aws-secretsmanager", "\"profile\": \"x\""));
    let at = "secrets.providers.aws-secretsmanager.profile";
    has(&error, at, "unknown", "nothing is taken from the broker's host");
    only(&provider("file", "\"source\": \"exec\""));
    only(&provider("vault", "\"address\": \"vault.example\""));
    only(&provider("vault", "\"auth\": {}"));
    only(&provider("vault", "\"auth\": {\"method\": \"token\"}"));
    only(&provider("vault", "\"auth\": {\"method\": \"approle\", \"roleId\": \"r\"}"));
    only(&provider("exec", "\"timeoutMs\": 0"));
    only(&provider("exec", "\"timeoutMs\": 1.5"));
    only(&provider("exec", "\"passEnv\": [\"A-B\"]"));
    let both = "\"auth\": {\"method\": \"token\", \"token\": {\"file\": \"t\"}, \"roleId\": \"r\"}";
    has(&only(&provider("vault", both)), "secrets.providers.vault.auth.roleId", "another", "");
    let both =
        "\"auth\": {\"method\": \"token\", \"token\": {\"file\": \"t\", \"secretRef\": \"s\"}}";
    has(&only(&provider("vault", both)), "secrets.providers.vault.auth.token", "one of", "");
}

#[test]
fn channels_are_checked() {
    let channel = |members: &str| {
        only(&format!("{{\"alerts\": {{\"channels\": {{\"#x\": {{{members}}}}}}}}}"))
    };
    has(
        &channel("\"type\": \"slak\", \"secretRef\": \"s\""),
        "alerts.channels[\"#x\"].type",
        "",
        "slack",
    );
    has(&channel("\"type\": \"slack\""), "alerts.channels[\"#x\"]", "no `secretRef`", "put NAME");
    has(&channel("\"secretRef\": \"s\""), "alerts.channels[\"#x\"]", "no `type`", "webhook");
    channel("\"type\": \"log\", \"secretRef\": \"s\"");
}

#[test]
fn limits_are_named() {
    let long = |key: &str, bytes: usize| agent(&format!("\"{key}\": \"{}\"", "x".repeat(bytes)));
    for (key, most) in [("name", 256), ("description", 4096), ("runtime", 64)] {
        good(&long(key, most));
        let error = only(&long(key, most + 1));
        assert!(error.problem.contains(&format!("{most} at most")), "{error}");
    }
    let bindings = |count: usize| {
        let one = |at: usize| format!("\"k{at}\": {{\"secretRef\": \"s\"}}");
        let all = (0..count).map(one).collect::<Vec<_>>().join(",");
        agent(&format!("\"tool-bindings\": {{\"t\": {{\"credentials\": {{{all}}}}}}}"))
    };
    good(&bindings(256));
    assert!(only(&bindings(257)).problem.contains("257 credentials are too many"));
    let refs = |count: usize| {
        let all = (0..count).map(|at| format!("\"r{at}\":{{}}")).collect::<Vec<_>>().join(",");
        format!("{{\"refMap\":{{{all}}}}}")
    };
    good(&refs(10_000));
    assert!(only(&refs(10_001)).problem.contains("10000 at most"));
}

#[test]
fn all_problems_are_reported_and_the_many_are_counted() {
    let errors = bad(&agent("\"nam\": 1, \"runtime\": 2, \"capabilities\": 3"));
    assert_eq!(errors.len(), 3, "{errors:#?}");
    let many = (0..100).map(|at| format!("\"zz{at}\": 1")).collect::<Vec<_>>().join(",");
    let errors = ManifestErrors(bad(&agent(&many)));
    assert_eq!(errors.0.len(), 32);
    assert!(errors.0[31].problem.contains("69 more problems"), "{}", errors.0[31]);
    assert_eq!(errors.to_string().lines().count(), 32);
}

#[test]
fn groups_have_their_own_keys_and_limits() {
    let error = only("{\"groups\": {\"g\": {\"comand\": []}}}");
    assert_eq!(error.path, "groups.g.comand");
    let error = only("{\"groups\": {\"g\": {\"groups\": [\"h\"]}}}");
    assert!(error.fix.contains("`groups` is a key of a manifest"), "{error}");
    let error = only("{\"groups\": {\"Finance\": {}}}");
    assert!(error.problem.contains("group name \"Finance\""), "{error}");
    let named = |groups: &str| agent(&format!("\"groups\": [{groups}]"));
    assert_eq!(only(&named("\"g\", \"g\"")).path, "agents.a.groups[1]");
    assert_eq!(only(&named("7")).path, "agents.a.groups[0]");
    let many: Vec<String> = (0..17).map(|at| format!("\"g{at}\"")).collect();
    assert!(only(&named(&many.join(","))).problem.contains("there may be 16"));
    let clash = "{\"groups\": {\"g\": {\"tool-bindings\": {\"t\": {\"credentials\": {\
        \"a\": {\"secretRef\": \"s\", \"file\": \"f\"}, \"b\": {\"secretRef\": \"r\", \
        \"file\": \"f\"}}}}}}}";
    assert_eq!(only(clash).path, "groups.g.tool-bindings.t.credentials.b");
}

/// What a schema can say without looking at two places at once, or at dates and credentials.
#[test]
fn the_schema_refuses_what_it_can() {
    let provider = |alias: &str, members: &str| {
        format!("{{\"secrets\": {{\"providers\": {{\"{alias}\": {{{members}}}}}}}}}")
    };
    let vault = |auth: &str| provider("vault", &format!("\"auth\": {{{auth}}}"));
    let channel =
        |members: &str| format!("{{\"alerts\": {{\"channels\": {{\"x\": {{{members}}}}}}}}}");
    let documents = [
        "[]".to_owned(),
        "{\"agents\": {\"Payer\": {}}}".to_owned(),
        "{\"agent\": {}}".to_owned(),
        "{\"groups\": {\"g\": {\"groups\": []}}}".to_owned(),
        "{\"refMap\": {\"No\": {}}}".to_owned(),
        "{\"refMap\": {\"s\": {\"fallback\": [{\"target\": \"t\"}]}}}".to_owned(),
        "{\"refMap\": {\"s\": {\"path\": \"p\"}}}".to_owned(),
        "{\"refMap\": {\"s\": {\"target\": \"\"}}}".to_owned(),
        "{\"refMap\": {\"s\": {\"expiresAt\": \"soon\"}}}".to_owned(),
        agent("\"name\": null"),
        agent("\"command\": []"),
        agent("\"capabilities\": [\"a\", \"a\"]"),
        agent("\"groups\": [\"g\", \"g\"]"),
        agent("\"auth-profiles\": {\"t\": {\"on-failure\": \"allow\"}}"),
        agent("\"tool-bindings\": {\"t\": {\"credentials\": {\"k\": \"a literal\"}}}"),
        agent("\"tool-bindings\": {\"t\": {\"credentials\": {\"k\": {\"envVar\": \"V\"}}}}"),
        credential("\"mode\": \"0777\""),
        credential("\"mode\": 440"),
        credential("\"onRotate\": \"signal:KILL\""),
        credential("\"maxStale\": \"1.5h\""),
        credential("\"envVar\": \"A-B\""),
        credential("\"file\": \"../up\""),
        credential("\"template\": \"\""),
        provider("mine", ""),
        provider("mine", "\"type\": \"vaults\""),
        provider("vault", "\"type\": \"file\""),
        provider("store", "\"path\": \"x\""),
        provider("exec", "\"timeoutMs\": 0"),
        vault(""),
        vault("\"method\": \"token\""),
        vault("\"method\": \"token\", \"token\": \"hvs.value\""),
        vault("\"method\": \"token\", \"token\": {\"file\": \"f\", \"secretRef\": \"s\"}"),
        vault("\"method\": \"token\", \"token\": {\"file\": \"f\"}, \"roleId\": \"r\""),
        channel(""),
        channel("\"type\": \"slack\""),
        channel("\"type\": \"log\", \"secretRef\": \"s\""),
    ];
    for text in &documents {
        bad(text);
        let document = serde_json::from_str(text).unwrap();
        assert!(schema_takes(&document).is_err(), "the schema takes {text}");
    }
}
