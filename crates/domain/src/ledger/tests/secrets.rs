//! Secrets and their versions, environments and refs, and whom a record touches.

use super::*;
use crate::limit::VERSIONS_MAX;

#[test]
fn a_put_creates_and_then_replaces_the_current_version() {
    let mut log = Log { now: 5, ..Log::default() };
    log.put(1, "s", 1);
    log.now = 7;
    log.put(1, "s", 2);
    let secret = log.ledger.secret_named(&env(), &name("s")).unwrap();
    assert_eq!((secret.id, secret.current.get()), (secret_id(1), 2));
    assert_eq!((secret.created_at, secret.updated_at), (at(5), at(7)));
    assert_eq!(secret.versions.len(), 2);
    assert_eq!(secret.versions[&Version::FIRST].created_at, at(5));
    assert_eq!(log.ledger.revision(), Revision(2));
}

#[test]
fn versions_beyond_the_limit_push_the_oldest_out() {
    let mut log = Log::default();
    let most = i64::try_from(VERSIONS_MAX).unwrap();
    for version in 1..most {
        log.put(1, "s", version);
    }
    assert_eq!(log.ledger.secret(secret_id(1)).unwrap().pushed_out(), None);
    log.put(1, "s", most);
    let secret = log.ledger.secret(secret_id(1)).unwrap();
    assert_eq!(secret.pushed_out(), Some(Version::FIRST));
    log.put(1, "s", most + 1);
    let secret = log.ledger.secret(secret_id(1)).unwrap();
    assert_eq!(secret.versions.len(), VERSIONS_MAX);
    assert_eq!(secret.pushed_out(), Version::new(2));
    assert_eq!((secret.newest().get(), secret.current.get()), (most + 1, most + 1));
}

#[test]
fn secrets_are_counted_and_listed_for_their_environment_alone() {
    let mut log = Log::default();
    for (id, called) in [(1, "b"), (2, "a"), (3, "c")] {
        log.put(id, called, 1);
    }
    log.write(Change::SecretPut {
        environment: name("other"),
        secret: secret_id(4),
        name: name("a"),
        version: Version::FIRST,
        digest: digest(1),
        size: 1,
        expires_at: None,
        activated_from: None,
        metadata: SecretMetadata::default(),
        traits: ValueTraits::default(),
        staged: false,
    });
    assert_eq!(log.ledger.secret_count(&env()), 3);
    assert_eq!(log.ledger.secret_count(&name("other")), 1);
    assert_eq!(log.ledger.secret_count(&name("nowhere")), 0);
    let after = |after: Option<&SecretName>| -> Vec<String> {
        log.ledger.secrets_after(&env(), after).map(|it| it.name.to_string()).collect()
    };
    assert_eq!(after(None), ["a", "b", "c"]);
    assert_eq!(after(Some(&name("a"))), ["b", "c"]);
    assert_eq!(after(Some(&name("c"))), Vec::<String>::new());
}

#[test]
fn a_destroyed_version_is_owed_to_nobody() {
    let mut log = Log::default();
    log.agent(1, "a", bound(&["s"]));
    log.put(1, "s", 1);
    log.put(1, "s", 2);
    let destroy = |version| Change::VersionDestroyed {
        secret: secret_id(1),
        version: Version::new(version).unwrap(),
    };
    assert_eq!(log.write(destroy(1)).agents, agents(&[1]));
    assert_eq!(log.desired(1).secrets[0].version.get(), 2);
    log.write(destroy(2));
    let desired = log.desired(1);
    assert!(desired.secrets.is_empty());
    assert!(desired.missing[0].reason.contains("no current version"));
    assert_eq!(desired.missing[0].fix, "secretref put s");
}

#[test]
fn a_deleted_secret_comes_back_as_it_was() {
    let mut log = Log::default();
    log.agent(1, "a", bound(&["s"]));
    log.put(1, "s", 1);
    let delete = |deleted| Change::SecretDeleted { secret: secret_id(1), deleted };
    assert_eq!(log.write(delete(true)).agents, agents(&[1]));
    let desired = log.desired(1);
    assert!(desired.secrets.is_empty());
    assert_eq!(desired.missing[0].fix, "secretref undelete s");
    assert!(!desired.missing[0].denied);
    assert_eq!(log.write(delete(false)).agents, agents(&[1]));
    assert_eq!(log.desired(1).secrets[0].version, Version::FIRST);
}

#[test]
fn a_record_of_something_that_is_not_there_is_refused() {
    let mut log = Log::default();
    let (secret, agent, instance) = (secret_id(1), agent_id(1), instance_id(1));
    let certificate = slot("a", 10);
    let records = [
        Change::VersionDestroyed { secret, version: Version::FIRST },
        Change::SecretDeleted { secret, deleted: true },
        Change::AgentRemoved { agent },
        Change::AgentRevoked { agent },
        Change::InstanceRevoked { agent, instance },
        Change::InstanceEnrolled {
            token: digest(1),
            agent,
            instance,
            certificate: certificate.clone(),
        },
        Change::CertificateRenewed { agent, instance, by: serial("a"), certificate },
    ];
    for record in records {
        let error = log.try_write(record).unwrap_err();
        assert!(error.to_string().contains("the authority log is not whole"), "{error}");
    }
    assert_eq!(log.ledger.revision(), Revision(0));
}

#[test]
fn a_put_touches_whom_a_ref_leads_to() {
    let mut log = Log::default();
    log.agent(1, "a", bound(&["s"]));
    log.agent(2, "b", bound(&["alias", "s"]));
    log.agent(3, "c", bound(&["other"]));
    assert_eq!(log.put(1, "s", 1).agents, agents(&[1, 2]));
    assert_eq!(log.put(2, "target", 1).agents, agents(&[]));
    assert_eq!(log.reference("alias", in_provider("store", Some("target"))).agents, agents(&[2]));
    assert_eq!(log.put(2, "target", 2).agents, agents(&[2]));
    assert_eq!(log.subscribers("alias"), []);
    assert_eq!(log.put(3, "unbound", 1).agents, agents(&[]));
    let removed = Change::ReferenceRemoved { environment: env(), name: name("alias") };
    assert_eq!(log.write(removed).agents, agents(&[2]));
    assert_eq!(log.put(2, "target", 3).agents, agents(&[]));
    assert_eq!(log.subscribers("alias"), [agent_id(2)]);
}

#[test]
fn subscribers_follow_bindings_providers_and_environments() {
    let mut log = Log::default();
    log.agent(1, "a", bound(&["s", "t"]));
    log.agent_in("other", 2, "a", bound(&["s"]));
    assert_eq!(log.subscribers("s"), [agent_id(1)], "an environment is a wall");
    log.agent(1, "a", bound(&["t"]));
    assert_eq!(log.subscribers("s"), []);
    assert_eq!(log.subscribers("t"), [agent_id(1)]);
    log.reference("t", in_provider("mine", None));
    assert_eq!(log.subscribers("t"), [], "nobody knows `mine` yet");
    let spec = ProviderSpec { kind: ProviderKind::Store, settings: serde_json::Map::new() };
    let set = Change::ProviderSet { alias: name("mine"), spec };
    assert_eq!(log.write(set).agents, agents(&[1, 2]));
    assert_eq!(log.subscribers("t"), [agent_id(1)]);
    log.reference("t", Reference::default());
    let chosen = |active_provider: &str| Change::EnvironmentSet {
        environment: env(),
        active_provider: name(active_provider),
    };
    assert_eq!(log.write(chosen("vault")).agents, agents(&[1]));
    assert_eq!(log.subscribers("t"), []);
    log.write(chosen("store"));
    assert_eq!(log.subscribers("t"), [agent_id(1)]);
    assert!(log.ledger.binds(agent_id(1), &name("t")));
    log.write(Change::AgentRemoved { agent: agent_id(1) });
    assert_eq!(log.subscribers("t"), []);
    assert!(!log.ledger.binds(agent_id(1), &name("t")));
    assert_eq!(log.ledger.subscribers.len(), 1, "only the other environment's is left");
    assert_eq!(log.ledger.subscriptions.len(), 1);
}

#[test]
fn the_active_environment_and_its_provider_are_what_was_said_last() {
    let mut log = Log::default();
    assert_eq!(*log.ledger.active_environment(), env());
    assert_eq!(log.ledger.active_provider(&env()).as_str(), "store");
    let environment: EnvironmentName = name("production");
    let active_provider = name("vault");
    log.write(Change::EnvironmentSet { environment: environment.clone(), active_provider });
    assert_eq!(*log.ledger.active_environment(), env(), "set is not activated");
    log.write(Change::EnvironmentActivated { environment: environment.clone() });
    assert_eq!(*log.ledger.active_environment(), environment);
    assert_eq!(log.ledger.active_provider(&environment).as_str(), "vault");
    assert!(log.ledger.environment(&environment).is_some());
    assert!(log.ledger.environment(&env()).is_none());
}
