use super::*;
use secretref_domain::{agent::AgentSettings, name::SecretName, version::Version};
use secretref_proto::v1::{ManifestKind, MissingRef};
use std::sync::Arc;

fn offer(command: &[&str], missing: Vec<MissingRef>) -> Offer {
    let command = command.iter().map(|word| (*word).to_owned()).collect();
    Offer {
        nonce: 1,
        epoch: Arc::from("e"),
        revision: 1,
        kind: ManifestKind::Snapshot,
        entries: Vec::new(),
        digest: [0; 32],
        computed: [0; 32],
        missing,
        settings: Arc::new(AgentSettings { command, ..AgentSettings::default() }),
    }
}

fn missing(name: &str, required: bool) -> MissingRef {
    MissingRef { secret_ref: name.to_owned(), required, ..MissingRef::default() }
}

#[test]
fn a_program_has_to_be_named_by_somebody() {
    let given = ProgramConfig { command: vec!["x".into()], ..ProgramConfig::default() };
    let manifests = ProgramConfig { agent_command: true, ..ProgramConfig::default() };
    assert!(check(&offer(&[], vec![]), &given).is_ok());
    assert!(check(&offer(&["x"], vec![]), &manifests).is_ok());
    let none = check(&offer(&[], vec![]), &manifests);
    assert!(matches!(none, Err(AppError::NoCommand)));
}

#[test]
fn what_is_required_has_to_resolve() {
    let given = ProgramConfig { command: vec!["x".into()], ..ProgramConfig::default() };
    let refs = vec![missing("a", true), missing("b", false), missing("c", true)];
    let Err(AppError::Unresolved(lines)) = check(&offer(&[], refs), &given) else {
        panic!("it was taken");
    };
    assert_eq!(lines.lines().count(), 2, "{lines}");
    assert!(lines.starts_with("ref \"a\"") && lines.contains("error: ref \"c\""), "{lines}");
    assert!(check(&offer(&[], vec![missing("b", false)]), &given).is_ok());
}

#[test]
fn refs_that_were_asked_for_have_to_be_the_agents() {
    let mut given = ProgramConfig { command: vec!["x".into()], ..ProgramConfig::default() };
    given.choice.refs = vec![(SecretName::parse("a").unwrap(), None)];
    assert!(matches!(check(&offer(&[], vec![]), &given), Err(AppError::Unresolved(_))));
    let mut whole = offer(&[], vec![]);
    let mut entry = secretref_proto::v1::ManifestEntry {
        name: "a".to_owned(),
        version: Version::FIRST.get(),
        digest: vec![1; 32],
        targets: vec![secretref_proto::v1::Target {
            secret_ref: "a".to_owned(),
            file: "A".to_owned(),
            env_var: "A".to_owned(),
            ..secretref_proto::v1::Target::default()
        }],
        ..secretref_proto::v1::ManifestEntry::default()
    };
    whole.entries.push(crate::snapshot::Entry::parse(&mut entry).unwrap());
    assert!(check(&whole, &given).is_ok(), "its value is still to come");
}
