use super::*;
use crate::snapshot::Held;
use secretref_domain::id::Digest;

fn target(reference: &str, file: &str, variable: Option<&str>, hook: Option<&str>) -> Target {
    Target {
        reference: reference.into(),
        tool: String::new(),
        key: String::new(),
        file: file.parse().unwrap(),
        env_var: variable.map(|name| EnvVar::parse(name).unwrap()),
        mode: None,
        owner: None,
        on_rotate: hook.map(Into::into),
        required: true,
        template: None,
    }
}

fn set(secrets: Vec<(&str, Option<&[u8]>, Target)>) -> Snapshot {
    let entries = secrets.into_iter().map(|(name, value, target)| {
        let value = value.map(|bytes| Arc::new(SecretValue::new(bytes.to_vec()).unwrap()));
        let held = Held {
            version: Version::FIRST,
            digest: Digest([0; 32]),
            targets: Arc::from([target]),
            expires_at: None,
            stale_max_ms: None,
            value,
        };
        (name.to_owned().try_into().unwrap(), held)
    });
    Snapshot { epoch: Arc::from("e"), entries: entries.collect(), ..Snapshot::default() }
}

fn three() -> Snapshot {
    set(vec![
        ("a", Some(b"x"), target("a", "A", Some("A"), None)),
        ("b", Some(b"y"), target("b", "B", Some("B"), Some("signal:HUP"))),
        ("c", Some(b"z"), target("c", "c.key", None, Some("restart"))),
    ])
}

fn plan(snapshot: &Snapshot, choice: &Choice) -> Plan {
    Plan::new(snapshot, &[], choice, vec!["x".into()])
}

fn names(plan: &Plan) -> Vec<&str> {
    plan.variables.keys().map(EnvVar::as_str).collect()
}

fn reaction_at(plan: &Plan, file: &str) -> Reaction {
    plan.wants.places[&Place::File(file.parse().unwrap())].reaction.clone()
}

#[test]
fn variables_restart_and_files_do_not_unless_they_say_so() {
    let plan = plan(&three(), &Choice::default());
    assert!(plan.ready && plan.lacking.is_empty());
    assert_eq!(names(&plan), ["A", "B"]);
    let variable = |name: &str| plan.variables[&EnvVar::parse(name).unwrap()].reaction.clone();
    assert_eq!(variable("A"), Reaction::Restart);
    assert_eq!(variable("B"), Reaction::Signal("HUP".into()));
    assert_eq!(reaction_at(&plan, "A"), Reaction::Nothing, "its variable says it already");
    assert_eq!(reaction_at(&plan, "c.key"), Reaction::Restart);
}

#[test]
fn a_choice_narrows_and_renames() {
    let variable = |name: &str| EnvVar::parse(name).unwrap();
    let only = Choice { only_env: Some([variable("B")].into()), ..Choice::default() };
    assert_eq!(names(&plan(&three(), &only)), ["B"]);
    let secret = |name: &str| SecretName::parse(name).unwrap();
    let refs = vec![(secret("c"), Some(variable("C"))), (secret("a"), None)];
    let chosen = plan(&three(), &Choice { refs, ..Choice::default() });
    assert_eq!((names(&chosen), chosen.ready), (vec!["A", "C"], true));
    assert_eq!(reaction_at(&chosen, "B"), Reaction::Signal("HUP".into()), "it is a file alone now");
    let none = Choice { on_rotate: Some(OnRotate::None), ..Choice::default() };
    let plan = plan(&three(), &none);
    assert!(plan.wants.places.values().all(|want| want.reaction == Reaction::Nothing));
}

#[test]
fn what_lacks_is_named_with_its_fix() {
    let missing = |reference: &str, required| MissingRef {
        secret_ref: reference.into(),
        reason: "not there".into(),
        required,
        fix: format!("secretref put {reference}"),
        tool: if reference == "d" { "pay".to_owned() } else { String::new() },
    };
    let missing = [missing("d", true), missing("e", false), missing("f", true)];
    let with = |choice: &Choice| Plan::new(&three(), &missing, choice, Vec::new());
    let plan = with(&Choice::default());
    assert!(!plan.ready);
    assert_eq!(plan.lacking.len(), 2, "{:?}", plan.lacking);
    let line = "ref \"d\" (tool pay) is not resolvable: not there. Fix: secretref put d";
    assert_eq!(plan.lacking[0], line);
    assert!(plan.lacking[1].starts_with("ref \"f\" is not"), "{}", plan.lacking[1]);
    let refs = |name: &str| Choice {
        refs: vec![(SecretName::parse(name).unwrap(), None)],
        ..Choice::default()
    };
    assert!(with(&refs("a")).ready, "what was not asked for is not needed");
    assert!(!with(&refs("d")).ready);
    assert!(!with(&refs("stranger")).ready);
    let only = |name: &str| Choice {
        only_env: Some([EnvVar::parse(name).unwrap()].into()),
        ..Choice::default()
    };
    assert!(with(&only("A")).ready);
    assert!(!with(&only("Z")).ready);
}

#[test]
fn a_lapsed_variable_keeps_it_from_starting_and_a_lapsed_file_does_not() {
    let lapsed = set(vec![
        ("a", None, target("a", "A", Some("A"), None)),
        ("b", Some(b"y"), target("b", "B", Some("B"), None)),
    ]);
    let plan = |choice: &Choice| plan(&lapsed, choice);
    assert!(!plan(&Choice::default()).ready);
    let only = Choice { only_env: Some([EnvVar::parse("B").unwrap()].into()), ..Choice::default() };
    assert!(plan(&only).ready);
    assert!(!Plan::new(&Snapshot::default(), &[], &only, Vec::new()).ready, "no set came");
}

#[test]
fn values_that_cannot_be_variables_are_found() {
    let snapshot = set(vec![
        ("a", Some(b"x\0"), target("a", "A", Some("A"), None)),
        ("b", Some(b"y\0"), target("b", "B", None, None)),
    ]);
    let unfit = unfit(&snapshot, &Choice::default());
    assert_eq!(unfit.keys().map(SecretName::as_str).collect::<Vec<_>>(), ["a"]);
}

#[test]
fn a_ref_is_known_by_its_own_name_where_its_secret_is_a_copy() {
    let copy = set(vec![("a@vault", Some(b"x"), target("a", "A", Some("A"), None))]);
    let wanted = |name: &str| Choice {
        refs: vec![(SecretName::parse(name).unwrap(), None)],
        ..Choice::default()
    };
    assert!(plan(&copy, &wanted("a")).ready);
    let lines = plan(&copy, &wanted("b")).lacking;
    assert!(lines.len() == 1 && lines[0].contains("\"b\" is no variable"), "{lines:?}");
}
