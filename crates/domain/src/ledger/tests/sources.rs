//! Chains: which place is the one, and what is kept while none answers.

use super::*;
use crate::{
    change::{Failing, Observed},
    fault::Fault,
    ledger::{Missing, Resolution, Resolved},
    reference::Source,
};
use proptest::prelude::*;

fn source(provider: &str) -> Source {
    Source { provider: name(provider), target: None, path: None }
}

fn failing(fault: Fault) -> Observed {
    Observed::Fails(Failing { fault, message: format!("is {fault}"), fix: "mend it".into() })
}

/// Vault, then a file, then the environment.
fn chained() -> Log {
    let mut log = Log::default();
    let fallback = vec![source("file"), source("env")];
    let reference = Reference { fallback, ..in_provider("vault", None) };
    log.reference("s", reference);
    log.agent(1, "a", bound(&["s"]));
    log
}

impl Log {
    fn observe(&mut self, provider: &str, observed: Observed) -> Touched {
        self.write(Change::SourceObserved {
            environment: env(),
            reference: name("s"),
            source: source(provider),
            observed,
        })
    }

    /// As custody does it: a copy, and the note that it is what the place holds.
    fn holds(&mut self, id: u128, provider: &str, version: i64) {
        let copy = SecretName::copy(&name("s"), &name(provider), 1);
        self.put(id, copy.as_str(), version);
        self.observe(provider, Observed::Holds(Version::new(version).unwrap()));
    }

    fn resolved(&self) -> Resolved {
        match self.ledger.resolve(&env(), &name("s"), None) {
            Resolution::Secret(resolved) => resolved,
            Resolution::Unresolved { reason, .. } => panic!("{reason}"),
        }
    }

    fn first_missing(&self) -> Missing {
        self.desired(1).missing.remove(0)
    }
}

#[test]
fn the_first_place_that_has_a_value_is_taken() {
    let mut log = chained();
    assert!(
        log.first_missing().reason.contains("was not asked yet"),
        "{}",
        log.first_missing().reason
    );
    log.holds(3, "env", 1);
    assert_eq!(log.desired(1).secrets[0].name.as_str(), "s@env");
    assert_eq!(log.resolved().describe(), "env, fallback of vault");
    log.holds(2, "file", 1);
    assert_eq!(log.resolved().describe(), "file, fallback of vault");
    log.holds(1, "vault", 1);
    assert_eq!(log.resolved().describe(), "vault");
    let touched = log.observe("vault", failing(Fault::Sealed));
    assert_eq!(touched.agents, agents(&[1]), "whoever is bound is told");
    assert_eq!(log.resolved().describe(), "file, fallback of vault");
    log.observe("vault", Observed::Holds(Version::FIRST));
    assert_eq!(log.resolved().describe(), "vault", "it takes over again");
}

#[test]
fn a_refusal_ends_the_search_and_keeps_what_was_seen() {
    let mut log = chained();
    log.holds(1, "vault", 1);
    log.holds(2, "file", 1);
    for fault in Fault::ALL.map(|(_, fault)| fault) {
        log.observe("vault", Observed::Holds(Version::FIRST));
        log.observe("vault", failing(fault));
        let resolved = log.resolved();
        match fault.falls_through() {
            true => assert_eq!(resolved.secret.as_str(), "s@file", "{fault}"),
            false => {
                assert_eq!(resolved.secret.as_str(), "s@vault", "{fault}");
                assert!(resolved.describe().contains(&format!("({fault})")), "{fault}");
            }
        }
    }
    // A refusal is not hidden by what comes after it.
    let mut log = chained();
    log.observe("vault", failing(Fault::Denied));
    log.holds(2, "file", 1);
    assert_eq!(log.first_missing().reason, "provider \"vault\" is denied");
    // Yet it takes nothing from whoever had what came after it.
    let mut log = chained();
    log.holds(2, "file", 1);
    log.observe("vault", failing(Fault::Denied));
    assert!(log.resolved().describe().starts_with("file, fallback of vault, stale since"));
}

#[test]
fn what_was_seen_last_is_kept_for_as_long_as_its_binding_allows() {
    let mut log = chained();
    let mut spec = bound(&["s"]);
    let tool = spec.tools.values_mut().next().unwrap();
    tool.credentials.values_mut().next().unwrap().stale_max_ms = Some(10_000);
    log.agent(1, "a", spec);
    log.holds(1, "vault", 1);
    log.now = 100;
    for provider in ["vault", "file", "env"] {
        log.observe(provider, failing(Fault::Unreachable));
    }
    assert_eq!(log.desired(1).secrets[0].expires_at, Some(at(110)));
    log.now = 105;
    log.observe("vault", failing(Fault::Sealed));
    assert_eq!(log.desired(1).secrets[0].expires_at, Some(at(110)), "it began at 100");
    log.now = 110;
    assert!(
        log.first_missing().reason.contains("longer than `maxStale` allows"),
        "{:?}",
        log.first_missing()
    );
    log.observe("vault", Observed::Holds(Version::FIRST));
    assert_eq!(log.desired(1).secrets[0].expires_at, None);
}

#[test]
fn a_place_that_is_named_anew_has_answered_nothing() {
    let mut log = chained();
    log.holds(1, "vault", 1);
    log.reference("s", in_provider("vault", Some("elsewhere")));
    assert!(log.first_missing().reason.contains("was not asked yet"), "{:?}", log.first_missing());
    log.reference("s", in_provider("vault", None));
    assert!(log.first_missing().reason.contains("was not asked yet"), "what it said is forgotten");
}

#[test]
fn one_provider_alone_is_taken_where_it_is_asked_for() {
    let mut log = chained();
    log.holds(1, "vault", 1);
    log.holds(2, "file", 3);
    let only = |alias: &str| log.ledger.desired(agent_id(1), at(0), Some(&name(alias)));
    assert_eq!(only("file").secrets[0].name.as_str(), "s@file");
    assert_eq!(only("file").secrets[0].version.get(), 3);
    assert!(only("env").missing[0].reason.contains("provider \"env\" was not asked yet"));
    assert!(only("aws").missing[0].reason.contains("is not among the sources of ref \"s\""));
}

#[test]
fn the_store_may_stand_in_with_a_secret_of_the_same_name() {
    let mut log = Log::default();
    let fallback = vec![source("store")];
    log.reference("s", Reference { fallback, ..in_provider("vault", None) });
    log.agent(1, "a", bound(&["s"]));
    log.observe("vault", failing(Fault::Unreachable));
    assert!(
        log.first_missing().reason.contains("has no secret \"s\""),
        "{}",
        log.first_missing().reason
    );
    let touched = log.put(9, "s", 1);
    assert_eq!(touched.agents, agents(&[1]));
    assert_eq!(log.desired(1).secrets[0].name.as_str(), "s");
    log.holds(1, "vault", 1);
    assert_eq!(log.desired(1).secrets[0].name.as_str(), "s@vault");
}

#[derive(Debug, Clone)]
enum Step {
    Holds(usize),
    Fails(usize, Fault),
}

fn step() -> impl Strategy<Value = Step> {
    let fault = prop::sample::select(Fault::ALL.map(|(_, fault)| fault).to_vec());
    prop_oneof![
        (0..3_usize).prop_map(Step::Holds),
        (0..3_usize, fault).prop_map(|(at, fault)| Step::Fails(at, fault)),
    ]
}

proptest! {
    /// An agent that has had a value is never without one, and what it has is the first place's
    /// that answers, before any that refuses.
    #[test]
    fn no_order_of_answers_takes_a_value_away(steps in prop::collection::vec(step(), 1..40)) {
        const PLACES: [&str; 3] = ["vault", "file", "env"];
        let mut log = chained();
        let mut model: [Option<Option<Fault>>; 3] = [None; 3];
        let mut had = false;
        for step in steps {
            log.now += 1;
            match step {
                Step::Holds(at) => {
                    log.holds(at as u128 + 1, PLACES[at], log.now);
                    model[at] = Some(None);
                }
                Step::Fails(at, fault) => {
                    log.observe(PLACES[at], failing(fault));
                    model[at] = Some(Some(fault));
                }
            }
            let resolution = log.ledger.resolve(&env(), &name("s"), None);
            let ends = |at: usize| model[at].flatten().is_some_and(|it| !it.falls_through());
            let reached = (0..3).find(|at| ends(*at)).map_or(3, |at| at + 1);
            let first = (0..reached).find(|at| model[*at] == Some(None));
            match (&resolution, first) {
                (Resolution::Secret(it), Some(at)) => {
                    prop_assert_eq!(it.source.provider.as_str(), PLACES[at]);
                    prop_assert!(it.stale.is_none());
                }
                (Resolution::Secret(it), None) => prop_assert!(it.stale.is_some()),
                (Resolution::Unresolved { .. }, Some(_)) => prop_assert!(false, "one answers"),
                (Resolution::Unresolved { .. }, None) => prop_assert!(!had, "it is taken away"),
            }
            had |= matches!(resolution, Resolution::Secret(_));
        }
    }
}
