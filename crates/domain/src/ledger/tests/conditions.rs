//! Each kind of condition: what makes it, from when on, and what ends it.

use super::*;
use crate::{
    alert::Severity,
    change::{Failing, Observed, Origin},
    condition::{Behind, Bounds, Condition, ConditionKind, Refusal, Seen, Trial},
    fault::Fault,
    reference::Source,
    rotation::{Asked, Phase, RotationPolicy, RotatorKind, Trigger, Waiting},
};

const BOUNDS: Bounds = Bounds::DEFAULT;

/// A ref that a rotator replaces 8 days before its end.
fn rotated() -> Reference {
    let policy = RotationPolicy { before_expiry_seconds: 8 * DAY, ..RotationPolicy::of(name("r")) };
    Reference { rotation: Some(policy), ..in_provider("store", None) }
}

fn rotation(number: u128, phase: Phase, since: i64) -> Rotation {
    Rotation {
        id: RotationId(Uuid::from_u128(number)),
        environment: env(),
        reference: name("s"),
        secret: secret_id(1),
        name: name("s"),
        rotator: name("r"),
        old: Version::FIRST,
        new: None,
        phase,
        asked: Asked {
            by: "admin:alice".into(),
            reason: String::new(),
            trigger: Trigger::Asked,
            force: false,
        },
        began_at: at(0),
        since: at(since),
        overlap_seconds: 60,
        overlaps: true,
        waves: Vec::new(),
        evicted: BTreeSet::new(),
        proofs: Vec::new(),
        trouble: None,
    }
}

fn failed(why: &str) -> Phase {
    Phase::Failed { why: why.into() }
}

impl Log {
    fn so(&self, seen: &Seen) -> Vec<Condition> {
        self.ledger.conditions(&env(), seen, &BOUNDS, at(self.now))
    }

    /// What is so of what people are told of by the book, in words.
    fn is_so(&self, seen: &Seen) -> Vec<String> {
        let so = self.so(seen).into_iter().filter(|it| !it.key.kind.is_told_on_arrival());
        so.map(|condition| said(&condition)).collect()
    }

    /// The only thing that is so.
    fn only(&self, seen: &Seen) -> Condition {
        let mut so = self.so(seen);
        assert_eq!(so.len(), 1, "{so:?}");
        so.remove(0)
    }

    fn turn(&mut self, rotation: Rotation) {
        self.write(Change::RotationSet { rotation: Box::new(rotation) });
    }

    fn answers(&mut self, of: &str, provider: &str, observed: Observed) {
        let source = Source { provider: name(provider), target: None, path: None };
        let (environment, reference) = (env(), name(of));
        self.write(Change::SourceObserved { environment, reference, source, observed });
    }

    fn fails(&mut self, of: &str, provider: &str, fault: Fault) {
        let failing = Failing { fault, message: format!("is {fault}"), fix: "mend it".into() };
        self.answers(of, provider, Observed::Fails(failing));
    }

    fn has(&mut self, id: u128, of: &str, provider: &str) {
        let copy = SecretName::copy(&name(of), &name(provider), 1);
        self.put(id, copy.as_str(), 1);
        self.answers(of, provider, Observed::Holds(Version::FIRST));
    }
}

fn said(condition: &Condition) -> String {
    let key = &condition.key;
    let of = [
        key.provider.as_ref().map(ToString::to_string),
        key.reference.as_ref().map(ToString::to_string),
        key.agent.as_ref().map(ToString::to_string),
    ];
    let of: Vec<String> = of.into_iter().flatten().collect();
    format!("{} {}", key.kind.as_str(), of.join(" "))
}

/// Everybody has taken everything, and nothing else was seen.
fn taken() -> Seen {
    Seen { taken: (1..20).map(secret_id).collect(), ..Seen::default() }
}

/// One agent, bound to one ref, whose value ends after 100 days.
fn well() -> Log {
    let mut log = Log::default();
    log.put_until(1, "s", 1, Some(at(100 * DAY)));
    log.agent(1, "a", bound(&["s"]));
    log
}

#[test]
fn a_value_ends_soon_from_a_moment_on_and_then_it_has_ended() {
    let mut log = well();
    for (now, wanted) in [
        (0, vec![]),
        (93 * DAY - 1, vec![]),
        (93 * DAY, vec!["expiring s"]),
        (100 * DAY - 1, vec!["expiring s"]),
        (100 * DAY, vec!["expired s"]),
        (999 * DAY, vec!["expired s"]),
    ] {
        log.now = now;
        assert_eq!(log.is_so(&taken()), wanted, "at {now}");
    }
    log.now = 94 * DAY;
    let soon = log.only(&taken());
    assert_eq!((soon.since, soon.ends), (at(93 * DAY), Some(at(100 * DAY))));
    assert_eq!(soon.message, format!("its value is valid until {}", at(100 * DAY)));
    assert_eq!((&*soon.fix, soon.severity), ("secretref put s", Severity::Warning));
    log.now = 100 * DAY;
    let ended = log.so(&taken()).into_iter().find(|it| it.key.kind == ConditionKind::Expired);
    let ended = ended.unwrap();
    assert_eq!((ended.since, ended.severity), (at(100 * DAY), Severity::Error));
    log.put_until(1, "s", 2, Some(at(300 * DAY)));
    assert_eq!(log.is_so(&taken()), [""; 0]);
    // The ref has a say where the value has none; and one without an end never ends.
    log.put(1, "s", 3);
    assert_eq!(log.is_so(&taken()), [""; 0]);
    log.reference("s", Reference { expires_at: Some(at(101 * DAY)), ..in_provider("store", None) });
    assert_eq!(log.is_so(&taken()), ["expiring s"]);
    // A value that is young and short is soon over from its beginning, not from before it.
    assert_eq!(log.only(&taken()).since, at(100 * DAY));
    log.write(Change::SecretDeleted { secret: secret_id(1), deleted: true });
    assert_eq!(log.is_so(&taken()), [""; 0], "a deleted one ends no more");
}

#[test]
fn one_that_is_rotated_by_itself_is_given_half_its_time() {
    let mut log = well();
    log.reference("s", rotated());
    log.now = 96 * DAY - 1;
    assert_eq!(log.is_so(&taken()), [""; 0]);
    let strict = Bounds { trusts_rotation: false, ..BOUNDS };
    assert_eq!(log.ledger.conditions(&env(), &taken(), &strict, at(log.now)).len(), 1);
    log.now = 96 * DAY;
    let late = log.only(&taken());
    assert!(late.message.ends_with("it is rotated by itself before, and was not yet"), "{late:?}");
    assert_eq!(late.fix, "secretref rotate s");
    // One that never rotates for that is as any other.
    let mut never = rotated();
    never.rotation.as_mut().unwrap().before_expiry_seconds = 0;
    log.reference("s", never);
    log.now = 93 * DAY;
    assert_eq!(log.is_so(&taken()), ["expiring s"]);
}

#[test]
fn what_no_ref_gives_is_watched_by_its_own_name_and_nothing_twice() {
    let mut log = Log::default();
    log.put_until(1, "webhook", 1, Some(at(DAY)));
    log.put_until(2, "stored", 1, Some(at(DAY)));
    log.reference("ref", in_provider("store", Some("stored")));
    log.reference("nowhere", in_provider("vault", None));
    assert_eq!(log.is_so(&Seen::default()), ["expiring ref", "expiring webhook"]);
    let of_ref = &log.so(&Seen::default())[0];
    assert_eq!(of_ref.fix, "secretref put stored");
}

#[test]
fn a_copy_is_renewed_where_it_comes_from() {
    let mut log = Log::default();
    log.reference("s", in_provider("vault", None));
    let source = Source { provider: name("vault"), target: None, path: None };
    let origin = Origin { source, version: "3".into(), created_at: None };
    log.write(Change::SecretPut {
        environment: env(),
        secret: secret_id(1),
        name: SecretName::copy(&name("s"), &name("vault"), 1),
        version: Version::FIRST,
        digest: digest(1),
        size: 1,
        expires_at: Some(at(DAY)),
        activated_from: None,
        metadata: SecretMetadata::default(),
        traits: ValueTraits { origin: Some(origin), ..ValueTraits::default() },
        staged: false,
    });
    log.answers("s", "vault", Observed::Holds(Version::FIRST));
    assert_eq!(log.only(&taken()).fix, "renew it in vault: it is taken over by itself");
}

#[test]
fn commands_name_an_environment_that_is_not_the_active_one() {
    let mut log = well();
    log.now = 99 * DAY;
    let environment = name("staging");
    log.write(Change::EnvironmentActivated { environment });
    assert_eq!(log.only(&taken()).fix, "secretref put s --environment default");
}

#[test]
fn a_failed_rotation_is_so_until_one_is_finished_or_a_value_is_put() {
    let mut log = well();
    log.reference("s", rotated());
    log.now = 50;
    log.turn(rotation(1, failed("it answered 500"), 40));
    let so = log.only(&taken());
    assert_eq!((said(&so), so.since), ("rotation-failed s".into(), at(40)));
    assert!(so.message.ends_with("everybody is on the old one: it answered 500"), "{so:?}");
    // The next try fails too: it is the same trouble, since the first.
    log.turn(rotation(2, Phase::Minting, 41));
    assert_eq!(log.is_so(&taken()), ["rotation-failed s"]);
    log.turn(rotation(2, failed("again"), 45));
    assert_eq!(log.only(&taken()).since, at(40));
    log.turn(rotation(3, Phase::Finished, 46));
    assert_eq!(log.is_so(&taken()), [""; 0]);
    log.turn(rotation(4, failed("again"), 47));
    assert_eq!(log.only(&taken()).since, at(47));
    // An operator who gives one up knows of it.
    log.turn(rotation(5, Phase::Aborted { why: "by admin:alice".into() }, 48));
    assert_eq!(log.is_so(&taken()), [""; 0]);
    log.turn(rotation(6, failed("again"), 49));
    log.put_until(1, "s", 2, Some(at(100 * DAY)));
    assert_eq!(log.is_so(&taken()), [""; 0]);
    log.turn(rotation(7, failed("again"), 60));
    assert_eq!(log.is_so(&taken()), ["rotation-failed s"]);
    log.reference("s", in_provider("store", None));
    assert_eq!(log.is_so(&taken()), [""; 0], "it is not rotated any more");
}

#[test]
fn a_rotation_that_stands_still_says_what_it_waits_for() {
    let mut log = well();
    log.reference("s", rotated());
    log.turn(rotation(1, Phase::Pushing { wave: 0 }, 10));
    log.now = 10 + BOUNDS.stuck_seconds - 1;
    assert_eq!(log.is_so(&taken()), [""; 0]);
    log.now += 1;
    let so = log.only(&taken());
    assert_eq!((said(&so), so.since), ("rotation-stuck s".into(), at(10)));
    assert!(so.message.ends_with("it waits for: a broker that goes on with it"), "{so:?}");
    assert_eq!(so.fix, "secretref rotate status s");
    let waiting = Waiting {
        agent: Some(name("a")),
        instance: Some(instance_id(7)),
        what: "is away with v1".into(),
        ..Waiting::default()
    };
    let waits = HashMap::from([(RotationId(Uuid::from_u128(1)), vec![waiting; 3])]);
    let seen = Seen { waits, ..taken() };
    let said = log.only(&seen).message;
    let of = format!("agent a (instance {}), which is away with v1, and 2 more", instance_id(7));
    assert!(said.ends_with(&of), "{said}");
    // What went wrong last says more than whom it waits for.
    let mut troubled = rotation(1, Phase::Revoking, 10);
    let message = "rotator \"r\" was answered 500".to_owned();
    troubled.trouble =
        Some(crate::rotation::Trouble { message, times: 3, again_at: at(log.now + 60) });
    log.turn(troubled);
    assert!(log.only(&seen).message.ends_with("was answered 500"));
    // Its overlap is meant to last.
    log.turn(rotation(1, Phase::Draining { until: at(log.now) }, 10));
    assert_eq!(log.is_so(&taken()), [""; 0]);
    log.now += BOUNDS.stuck_seconds;
    assert_eq!(log.is_so(&taken()), ["rotation-stuck s"]);
    log.turn(rotation(1, Phase::Finished, log.now));
    assert_eq!(log.is_so(&taken()), [""; 0]);
}

#[test]
fn a_provider_that_answers_nobody_is_one_condition() {
    let mut log = Log::default();
    for (id, of) in ["a", "b", "c", "d"].into_iter().enumerate() {
        log.reference(of, in_provider("vault", None));
        log.has(id as u128 + 1, of, "vault");
    }
    log.now = 10;
    assert_eq!(log.is_so(&taken()), [""; 0]);
    for of in ["a", "b", "c", "d"] {
        log.fails(of, "vault", Fault::Sealed);
        log.now += 1;
    }
    log.now = 10 + BOUNDS.degraded_seconds - 1;
    assert_eq!(log.is_so(&taken()), [""; 0], "for a moment nobody is disturbed");
    log.now += 10;
    let so = log.only(&taken());
    assert_eq!(
        (said(&so), so.since, so.severity),
        ("provider-degraded vault".into(), at(10), Severity::Error)
    );
    let wanted = "it is sealed (sealed); 4 refs: a, b, c and 1 more; \
                  what agents have is the last value that was seen";
    assert_eq!((&*so.message, &*so.fix), (wanted, "mend it"));
    log.answers("a", "vault", Observed::Holds(Version::FIRST));
    assert!(log.only(&taken()).message.contains("3 refs: b, c, d"));
    for of in ["b", "c", "d"] {
        log.answers(of, "vault", Observed::Holds(Version::FIRST));
    }
    assert_eq!(log.is_so(&taken()), [""; 0]);
}

#[test]
fn where_another_place_stands_in_it_is_a_warning() {
    let mut log = Log::default();
    let file = Source { provider: name("file"), target: None, path: None };
    log.reference("s", Reference { fallback: vec![file], ..in_provider("vault", None) });
    log.has(2, "s", "file");
    log.fails("s", "vault", Fault::Unreachable);
    log.now = 60;
    let so = log.only(&taken());
    assert_eq!((said(&so), so.severity), ("provider-degraded vault".into(), Severity::Warning));
    assert!(so.message.ends_with("another place stands in"), "{so:?}");
    // Where nothing stands in any more, it is worse.
    log.fails("s", "file", Fault::TimedOut);
    log.now = 120;
    assert_eq!(log.is_so(&taken()), ["provider-degraded file", "provider-degraded vault"]);
    assert!(log.so(&taken()).iter().all(|it| it.severity == Severity::Error));
    log.answers("s", "file", Observed::Holds(Version::FIRST));
    log.answers("s", "vault", Observed::Holds(Version::FIRST));
    log.has(3, "s", "vault");
    assert_eq!(log.is_so(&taken()), [""; 0]);
}

#[test]
fn a_provider_that_has_nothing_for_one_ref_is_not_down() {
    let mut log = Log::default();
    let file = Source { provider: name("file"), target: None, path: None };
    log.reference("s", Reference { fallback: vec![file], ..in_provider("vault", None) });
    log.reference("t", in_provider("vault", None));
    log.has(1, "s", "vault");
    log.has(2, "t", "vault");
    log.fails("s", "file", Fault::NotFound);
    log.now = 60;
    assert_eq!(log.is_so(&taken()), [""; 0], "what would stand in is not asked for");
    log.fails("s", "vault", Fault::NotFound);
    log.now = 120;
    let wanted = ["provider-degraded vault s", "provider-degraded file s"];
    assert_eq!(log.is_so(&taken()), wanted);
}

#[test]
fn a_secret_that_nobody_takes_is_never_used() {
    let mut log = well();
    log.now = 10;
    log.agent(2, "b", bound(&["s"]));
    log.now = BOUNDS.unused_seconds - 1;
    assert_eq!(log.is_so(&Seen::default()), [""; 0]);
    log.now += 1;
    let so = log.only(&Seen::default());
    assert_eq!((said(&so), so.since), ("never-used s".into(), at(0)));
    assert_eq!(so.message, "no instance has ever taken it; bound by a, b");
    assert_eq!(log.is_so(&taken()), [""; 0]);
    // What nobody is bound to is another finding; and so is one whose agents are gone.
    log.write(Change::AgentRevoked { agent: agent_id(1) });
    assert_eq!(log.is_so(&Seen::default()), [""; 0], "b is bound for a shorter time");
    log.now += 10;
    assert_eq!(log.is_so(&Seen::default()), ["never-used s"]);
    log.write(Change::AgentRevoked { agent: agent_id(2) });
    assert_eq!(log.is_so(&Seen::default()), [""; 0]);
}

#[test]
fn who_is_connected_and_behind_lags_after_a_while() {
    let mut log = well();
    log.agent(2, "b", bound(&["s"]));
    let behind = |agent, instance, since| Behind {
        agent: agent_id(agent),
        instance: instance_id(instance),
        since: at(since),
        stands: format!("is on v{instance}"),
    };
    let all = vec![behind(1, 3, 20), behind(1, 2, 10), behind(2, 9, 500), behind(7, 7, 0)];
    let seen = Seen { behind: HashMap::from([(secret_id(1), all)]), ..taken() };
    log.now = 10 + BOUNDS.lagging_seconds - 1;
    assert_eq!(log.is_so(&seen), [""; 0]);
    log.now += 1;
    let one = log.only(&seen);
    assert_eq!((said(&one), one.since), ("consumer-lagging s a".into(), at(10)));
    let wanted = format!("1 instance connected and not on v1: {} is on v2", instance_id(2));
    assert_eq!(one.message, wanted);
    assert_eq!(one.fix, "secretref status --agent a --secrets");
    log.now = 20 + BOUNDS.lagging_seconds;
    assert!(log.only(&seen).message.starts_with("2 instances connected"));
    log.now = 500 + BOUNDS.lagging_seconds;
    assert_eq!(log.is_so(&seen), ["consumer-lagging s a", "consumer-lagging s b"]);
    assert_eq!(log.is_so(&taken()), [""; 0]);
    // Of whom people were told, he lags until he is not behind, though since when is forgotten.
    let key = log.so(&seen)[0].key.clone();
    let forgotten = HashMap::from([(secret_id(1), vec![behind(1, 2, log.now)])]);
    let seen = Seen { behind: forgotten, ..taken() };
    assert_eq!(log.is_so(&seen), [""; 0]);
    let told = std::collections::HashSet::from([key]);
    assert_eq!(log.is_so(&Seen { told, ..seen }), ["consumer-lagging s a"]);
}

#[test]
fn what_its_service_refuses_is_said_with_how_it_answered() {
    let mut log = well();
    let message = "rotator \"r\" was answered 401 to its test".to_owned();
    let refused = HashMap::from([(secret_id(1), Refusal { since: at(5), message })]);
    let seen = Seen { refused, ..taken() };
    assert_eq!(log.is_so(&seen), [""; 0], "nobody tests what has no rotator any more");
    log.reference("s", rotated());
    let so = log.only(&seen);
    assert_eq!((said(&so), so.since, so.severity), ("refused s".into(), at(5), Severity::Error));
    let wanted = "its service refuses it: rotator \"r\" was answered 401 to its test";
    assert_eq!((&*so.message, &*so.fix), (wanted, "secretref rotate s"));
    log.write(Change::SecretDeleted { secret: secret_id(1), deleted: true });
    assert_eq!(log.is_so(&seen), [""; 0]);
}

#[test]
fn a_credential_is_tested_once_a_day_and_another_one_sooner() {
    let mut log = well();
    log.reference("s", rotated());
    let due = |log: &Log, trials: &HashMap<SecretId, Trial>, jitter: f64| {
        let jitter = |_| jitter;
        log.ledger.due_trials(trials, DAY, jitter, at(log.now)).len()
    };
    let none = HashMap::new();
    log.now = 2 * DAY;
    assert_eq!(due(&log, &none, 0.0), 0, "there is no such rotator");
    let set = |log: &mut Log, kind| {
        let spec = RotatorSpec { kind, settings: serde_json::Map::default() };
        log.write(Change::RotatorSet { alias: name("r"), spec });
    };
    set(&mut log, RotatorKind::Random);
    assert_eq!(due(&log, &none, 0.0), 0, "there is nothing to test");
    set(&mut log, RotatorKind::Http);
    assert_eq!(due(&log, &none, 0.0), 1);
    log.now = DAY / 2;
    assert_eq!((due(&log, &none, 0.4), due(&log, &none, 0.6)), (1, 0));
    let trial = |version, at_seconds, refused: bool| {
        let refused = refused.then(|| Refusal { since: at(1), message: "no".into() });
        let version = Version::new(version).unwrap();
        HashMap::from([(secret_id(1), Trial { version, at: at(at_seconds), refused })])
    };
    log.now = 1000 + DAY * 9 / 10;
    assert_eq!(due(&log, &trial(1, 1001, false), 0.0), 0);
    assert_eq!(due(&log, &trial(1, 1000, false), 0.0), 1);
    assert_eq!(due(&log, &trial(1, 1000, false), 1.0), 0);
    log.now = 1000 + DAY;
    assert_eq!(due(&log, &trial(1, 1000, false), 1.0), 1);
    // One that was refused is tested again the next day, and what replaces it at once.
    log.now = 2000;
    assert_eq!(due(&log, &trial(1, 1999, true), 0.0), 0);
    log.put(1, "s", 2);
    assert_eq!(due(&log, &trial(1, 1999, true), 0.0), 1);
    assert_eq!(due(&log, &trial(1, 1999, false), 0.0), 0);
    log.now = 3 * DAY;
    log.turn(rotation(1, Phase::Testing, 1));
    assert_eq!(due(&log, &none, 0.0), 0, "a rotation tests by itself");
}

#[test]
fn what_an_agent_goes_without_is_so_of_its_tool() {
    let mut log = well();
    let mut spec = bound(&["s", "gone"]);
    spec.capabilities = Some(vec![name("t1")]);
    log.agent(1, "a", spec);
    let so: Vec<String> = log.so(&taken()).iter().map(said).collect();
    assert_eq!(so, ["denied s a", "unresolved gone a"]);
    log.write(Change::AgentRevoked { agent: agent_id(1) });
    assert_eq!(log.so(&taken()), []);
}
