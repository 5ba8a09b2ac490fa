//! The ledger's tests: the log is written record by record, and what it folds to is asked for.

mod channels;
mod conditions;
mod desired;
mod findings;
mod groups;
mod identity;
mod rotations;
mod secrets;
mod sources;

use super::*;
use crate::{
    agent::{AuthProfile, Credential, ToolBinding},
    change::{Change, Record, ValueTraits},
    reference::ProviderKind,
};
use uuid::Uuid;

const DAY: i64 = 24 * 3600;

fn name<T: std::str::FromStr>(given: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    given.parse().unwrap()
}

fn env() -> EnvironmentName {
    name("default")
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

fn secret_id(number: u128) -> SecretId {
    SecretId(Uuid::from_u128(number))
}

fn agent_id(number: u128) -> AgentId {
    AgentId(Uuid::from_u128(number))
}

fn instance_id(number: u128) -> InstanceId {
    InstanceId(Uuid::from_u128(number))
}

fn digest(byte: u8) -> Digest {
    Digest([byte; 32])
}

fn serial(given: &str) -> Serial {
    Serial(given.into())
}

fn slot(given: &str, not_after: i64) -> CertificateSlot {
    CertificateSlot { serial: serial(given), key: digest(9), not_after: at(not_after) }
}

/// A ledger and the clock of the records that are written to it.
#[derive(Default)]
struct Log {
    ledger: Ledger,
    now: i64,
}

impl Log {
    fn write(&mut self, change: Change) -> Touched {
        self.try_write(change).unwrap()
    }

    /// Every record goes through its stored form, as in the log.
    fn try_write(&mut self, change: Change) -> Result<Touched, FoldError> {
        let record = Record { at: at(self.now), change, trace: None };
        let stored = serde_json::to_vec(&record).unwrap();
        let read: Record = serde_json::from_slice(&stored).unwrap();
        assert_eq!(read, record);
        let revision = self.ledger.revision().next();
        self.ledger.fold(revision, &read)
    }

    fn put(&mut self, secret: u128, called: &str, version: i64) -> Touched {
        self.put_until(secret, called, version, None)
    }

    fn put_until(
        &mut self,
        secret: u128,
        called: &str,
        version: i64,
        expires_at: Option<Timestamp>,
    ) -> Touched {
        self.put_as(env(), secret, called, version, expires_at)
    }

    fn put_in(&mut self, of: &str, secret: u128, called: &str) -> Touched {
        self.put_as(name(of), secret, called, 1, None)
    }

    fn put_as(
        &mut self,
        environment: EnvironmentName,
        secret: u128,
        called: &str,
        version: i64,
        expires_at: Option<Timestamp>,
    ) -> Touched {
        self.write(Change::SecretPut {
            environment,
            secret: secret_id(secret),
            name: SecretName::parse_kept(called).unwrap(),
            version: Version::new(version).unwrap(),
            digest: digest(u8::try_from(version % 256).unwrap()),
            size: 10,
            expires_at,
            activated_from: None,
            metadata: SecretMetadata::default(),
            traits: ValueTraits::default(),
            staged: false,
        })
    }

    fn agent(&mut self, agent: u128, called: &str, spec: AgentSpec) -> Touched {
        self.agent_in("default", agent, called, spec)
    }

    fn agent_in(&mut self, of: &str, agent: u128, called: &str, spec: AgentSpec) -> Touched {
        let (agent, name) = (agent_id(agent), name(called));
        self.write(Change::AgentSet {
            environment: self::name(of),
            agent,
            name,
            spec: Box::new(spec),
        })
    }

    fn reference(&mut self, called: &str, reference: Reference) -> Touched {
        self.write(Change::ReferenceSet { environment: env(), name: name(called), reference })
    }

    fn token(&mut self, token: u8, agent: u128, expires_at: i64, readmit: bool) {
        let (token, agent, expires_at) = (digest(token), agent_id(agent), at(expires_at));
        self.write(Change::TokenMinted { token, agent, expires_at, readmit });
    }

    fn enrol(&mut self, token: u8, agent: u128, instance: u128, certificate: CertificateSlot) {
        let (token, agent, instance) = (digest(token), agent_id(agent), instance_id(instance));
        self.write(Change::InstanceEnrolled { token, agent, instance, certificate });
    }

    fn subscribers(&self, secret: &str) -> Vec<AgentId> {
        self.ledger.subscribers(&env(), &name(secret)).collect()
    }

    fn desired(&self, agent: u128) -> Desired {
        let desired = self.ledger.desired(agent_id(agent), at(self.now), None);
        // What is asked about one secret must agree with the whole.
        for secret in self.ledger.secrets.values() {
            let listed = desired.secrets.iter().any(|owed| owed.secret == secret.id);
            let owes = self
                .ledger
                .agent(agent_id(agent))
                .is_some_and(|agent| self.ledger.owes(agent, secret.id, at(self.now)));
            assert_eq!(owes, listed, "secret {:?}", secret.name);
        }
        desired
    }
}

fn from(secret_ref: &str) -> Credential {
    Credential::of(name(secret_ref))
}

/// An agent with one tool for each of these refs: `t0` bound to the first, and so on.
fn bound(refs: &[&str]) -> AgentSpec {
    let mut spec = AgentSpec::default();
    for (index, secret_ref) in refs.iter().enumerate() {
        let credentials = BTreeMap::from([(name(&format!("k{index}")), from(secret_ref))]);
        spec.tools.insert(name(&format!("t{index}")), ToolBinding { required: None, credentials });
    }
    spec
}

fn agents(numbers: &[u128]) -> BTreeSet<AgentId> {
    numbers.iter().map(|number| agent_id(*number)).collect()
}

fn in_provider(alias: &str, target: Option<&str>) -> Reference {
    Reference {
        provider: Some(name(alias)),
        target: target.map(str::to_owned),
        ..Reference::default()
    }
}

/// The mapping from a profile to its tool, for the logic of `required`.
fn required(reference: Option<bool>, tool: Option<bool>, profile: Option<bool>) -> bool {
    let mut log = Log::default();
    let mut spec = bound(&["s"]);
    spec.tools.get_mut("t0").unwrap().required = tool;
    spec.profiles.insert(name("t0"), AuthProfile { required: profile, ..AuthProfile::default() });
    log.agent(1, "a", spec);
    log.reference("s", Reference { required: reference, ..Reference::default() });
    log.desired(1).missing[0].target.required
}
