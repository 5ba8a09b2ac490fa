//! Each code of a finding: what makes it, and what does not.

use super::*;
use crate::{
    change::{Failing, Observed},
    fault::Fault,
    ledger::FindingCode,
    reference::Source,
};

impl Log {
    /// The findings, as code and subject or agent.
    fn found(&self) -> Vec<String> {
        let findings = self.ledger.findings(&env(), at(self.now), |agent| agent == agent_id(1));
        let shown = findings.iter().map(|finding| {
            let subject = finding.subject.as_ref().map(ToString::to_string);
            let agents: Vec<&str> = finding.agents.iter().map(AgentName::as_str).collect();
            format!("{} {}", finding.code.as_str(), subject.unwrap_or_else(|| agents.join(",")))
        });
        shown.collect()
    }

    pub(super) fn put_with(&mut self, secret: u128, called: &str, traits: ValueTraits) {
        self.write(Change::SecretPut {
            environment: env(),
            secret: secret_id(secret),
            name: name(called),
            version: Version::FIRST,
            digest: digest(1),
            size: 1,
            expires_at: Some(at(DAY * 1_000)),
            activated_from: None,
            metadata: SecretMetadata::default(),
            traits,
            staged: false,
        });
    }

    fn observed(&mut self, provider: &str, observed: Observed) {
        let source = Source { provider: name(provider), target: None, path: None };
        let (environment, reference) = (env(), name("s"));
        self.write(Change::SourceObserved { environment, reference, source, observed });
    }
}

/// One agent, bound to one ref, about which there is nothing to say.
fn well() -> Log {
    let mut log = Log::default();
    log.put_with(1, "s", ValueTraits::default());
    log.agent(1, "a", bound(&["s"]));
    log
}

#[test]
fn of_what_is_well_nothing_is_said() {
    assert_eq!(well().found(), [""; 0]);
}

#[test]
fn a_ref_that_nobody_uses_is_unused() {
    let mut log = well();
    log.reference("legacy", Reference::default());
    assert_eq!(log.found(), ["unused-ref legacy"]);
    log.agent(1, "a", bound(&["s", "legacy"]));
    assert_eq!(log.found(), ["unresolved-ref legacy"], "a bound one has to have a value");
    // A ref that a provider is let in with is used too.
    log.agent(1, "a", bound(&["s"]));
    let settings = serde_json::json!({"auth": {"token": {"secretRef": "legacy"}}});
    let settings = settings.as_object().unwrap().clone();
    let spec = ProviderSpec { kind: ProviderKind::Vault, settings };
    log.write(Change::ProviderSet { alias: name("vault"), spec });
    assert_eq!(log.found(), [""; 0]);
}

#[test]
fn a_ref_or_a_binding_past_its_date_is_deprecated() {
    let mut log = well();
    log.reference("s", Reference { deprecation_date: Some(at(10)), ..Reference::default() });
    log.now = 9;
    assert_eq!(log.found(), [""; 0]);
    log.now = 10;
    assert_eq!(log.found(), ["deprecated-ref s"]);
    log.reference("s", Reference::default());
    let mut spec = bound(&["s"]);
    let tool = spec.tools.values_mut().next().unwrap();
    tool.credentials.values_mut().next().unwrap().deprecation_date = Some(at(10));
    log.agent(1, "a", spec);
    assert_eq!(log.found(), ["deprecated-ref s"]);
    log.now = 9;
    assert_eq!(log.found(), [""; 0]);
}

#[test]
fn a_value_that_never_ends_has_no_expiry_unless_its_ref_says_one() {
    let mut log = well();
    log.put(1, "s", 2);
    assert_eq!(log.found(), ["no-expiry s"]);
    log.reference("s", Reference { expires_at: Some(at(100)), ..Reference::default() });
    assert_eq!(log.found(), [""; 0]);
}

#[test]
fn a_tool_that_is_no_capability_is_found() {
    let mut log = well();
    let spec = AgentSpec { capabilities: Some(Vec::new()), ..bound(&["s"]) };
    log.agent(1, "a", spec);
    assert_eq!(log.found(), ["capability-missing a"]);
}

#[test]
fn an_agent_that_is_bound_and_has_no_sidecar_is_found() {
    let mut log = well();
    log.agent(2, "b", AgentSpec::default());
    assert_eq!(log.found(), [""; 0], "one without bindings needs none");
    log.agent(2, "b", bound(&["s"]));
    assert_eq!(log.found(), ["agent-without-sidecar b"]);
    log.write(Change::AgentRevoked { agent: agent_id(2) });
    assert_eq!(log.found(), [""; 0], "nor does a revoked one");
}

#[test]
fn values_that_are_equal_and_values_that_are_examples_are_found() {
    let mark = |byte| ValueTraits { mark: Some(digest(byte)), ..ValueTraits::default() };
    let mut log = well();
    log.put_with(1, "s", mark(1));
    log.put_with(2, "t", mark(2));
    assert_eq!(log.found(), [""; 0]);
    log.put_with(3, "u", mark(2));
    assert_eq!(log.found(), ["equal-values t"]);
    log.write(Change::SecretDeleted { secret: secret_id(3), deleted: true });
    assert_eq!(log.found(), [""; 0]);
    log.put_with(2, "t", ValueTraits { placeholder: true, ..mark(2) });
    assert_eq!(log.found(), ["placeholder-value t"]);
}

#[test]
fn what_comes_from_elsewhere_and_what_is_stale_is_found() {
    let mut log = well();
    let fallback = vec![Source { provider: name("store"), target: None, path: None }];
    log.reference("s", Reference { fallback, ..in_provider("vault", None) });
    let failing = |fault| {
        let (message, fix) = ("is away".to_owned(), "mend it".to_owned());
        Observed::Fails(Failing { fault, message, fix })
    };
    log.observed("vault", failing(Fault::Unreachable));
    assert_eq!(log.found(), ["fallback-ref s"]);
    log.observed("vault", failing(Fault::Denied));
    assert_eq!(log.found(), ["stale-ref s"]);
    log.reference("s", Reference::default());
    assert_eq!(log.found(), [""; 0]);
}

#[test]
fn a_ref_without_value_is_one_finding_for_all_who_go_without() {
    let mut log = Log::default();
    log.agent(1, "a", bound(&["s"]));
    log.agent(2, "b", bound(&["s"]));
    let findings = log.ledger.findings(&env(), at(0), |_| true);
    assert_eq!(findings.len(), 1);
    assert_eq!((findings[0].code, findings[0].agents.len()), (FindingCode::UnresolvedRef, 2));
    assert!(findings[0].code.is_error());
    assert_eq!(findings[0].fix, "secretref put s");
    assert_eq!(FindingCode::ALL.iter().filter(|(_, code)| code.is_error()).count(), 1);
}
