//! The questions that are asked after an incident: whom a secret reached, and what an agent has
//! held.

use super::{
    Custody, CustodyError, ReportState, agents::agent_event, rotations::rotatable,
    secrets::secret_event,
};
use crate::store::{AuditCursor, StoreError};
use secretref_domain::{
    audit::DecodedEntry,
    caller::Caller,
    clock::Timestamp,
    delivery::Evidence,
    id::{InstanceId, SecretId},
    ledger::{DesiredTarget, Ledger, Secret},
    name::{AgentName, EnvironmentName, GroupName, SecretName},
    policy::Action,
    rotation::Phase,
    trace::{AgentTrace, Held, SecretTrace},
    version::Version,
};
use std::collections::BTreeMap;

/// Whom a secret reached.
pub struct SecretReach {
    /// Name of the secret.
    pub name: SecretName,
    /// Its environment.
    pub environment: EnvironmentName,
    /// The version that agents are sent now.
    pub current: Version,
    /// Who holds it now.
    pub holders: Vec<Holder>,
    /// What the trail says.
    pub trace: SecretTrace,
    /// What is bound to it.
    pub uses: Vec<Use>,
    /// How much of the trail was read.
    pub examined: Examined,
}

/// An instance that holds a secret now, as far as it said.
pub struct Holder {
    /// Name of its agent.
    pub agent: AgentName,
    /// The instance.
    pub instance: InstanceId,
    /// The version.
    pub version: i64,
    /// What it said of it.
    pub state: ReportState,
    /// How it knows.
    pub evidence: Evidence,
    /// When it said so.
    pub since: Timestamp,
    /// Whether it holds a stream to this broker.
    pub connected: bool,
}

/// A tool that is bound to a secret.
pub struct Use {
    /// Agent of the tool.
    pub agent: AgentName,
    /// Group that binds it.
    pub group: Option<GroupName>,
    /// The binding.
    pub target: DesiredTarget,
}

/// What an agent has held.
pub struct AgentReach {
    /// Secrets, by environment and name.
    pub secrets: Vec<HeldSecret>,
    /// How much of the trail was read.
    pub examined: Examined,
}

/// A secret that an agent held.
pub struct HeldSecret {
    /// Name of the secret.
    pub name: String,
    /// Its environment.
    pub environment: String,
    /// The versions, ascending, with what became of each.
    pub versions: Vec<(i64, VersionFate, Held)>,
    /// How it is replaced.
    pub replaced: Replacement,
}

/// How a secret is replaced.
pub enum Replacement {
    /// By the rotation of this ref.
    By(SecretName),
    /// Not by a rotator.
    ByHand {
        /// Why.
        reason: String,
        /// What to do.
        fix: String,
    },
}

/// What became of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionFate {
    /// It is the current one.
    Current,
    /// A rotation hands it out.
    Pending,
    /// It was replaced by a rotation that has not revoked it yet.
    Draining,
    /// It was replaced.
    Previous,
    /// Its key is shredded.
    Destroyed,
}

/// How much of the trail was read.
pub struct Examined {
    /// From when on; none where all of it was.
    pub since: Option<Timestamp>,
    /// Entries.
    pub entries: i64,
}

impl Custody {
    /// Whom a secret reached: named by itself, or by the ref whose value it is.
    ///
    /// # Errors
    /// [`CustodyError::NotFound`], a denial, or [`CustodyError::Store`].
    pub async fn trace_secret(
        &self,
        caller: &Caller,
        environment: Option<EnvironmentName>,
        name: &SecretName,
        since: Timestamp,
    ) -> Result<SecretReach, CustodyError> {
        let environment = self.environment(environment);
        let record = || secret_event(caller, "secret.trace", &environment, name);
        self.permit(caller, Action::AuditRead, record).await?;
        let (id, name, current, uses) = {
            let ledger = self.shared.ledger();
            let secret = named(&ledger, &environment, name)?;
            (secret.id, secret.name.clone(), secret.current, self.uses(&ledger, secret))
        };
        let holders = self.holders(id).await?;
        let mut trace = SecretTrace::of(id, environment.clone(), name.clone());
        let examined = self.walk(since, |entry| trace.see(entry)).await?;
        Ok(SecretReach { name, environment, current, holders, trace, uses, examined })
    }

    /// What an agent has held since a time.
    ///
    /// # Errors
    /// [`CustodyError::NotFound`] where neither the broker nor the trail knows it, a denial, or
    /// [`CustodyError::Store`].
    pub async fn trace_agent(
        &self,
        caller: &Caller,
        environment: Option<EnvironmentName>,
        name: AgentName,
        since: Timestamp,
    ) -> Result<AgentReach, CustodyError> {
        let environment = self.environment(environment);
        let record = || agent_event(caller, "agent.trace", &environment, &name);
        self.permit(caller, Action::AuditRead, record).await?;
        let agent = self.shared.ledger().agent_named(&environment, &name).map(|it| it.id);
        let mut trace = AgentTrace::of(environment.clone(), name.clone(), agent, since);
        // What it had at that time it was sent before.
        let all = Timestamp::from_micros(0);
        let examined = self.walk(all, |entry| trace.see(entry)).await?;
        if !trace.is_known() {
            return Err(CustodyError::NotFound {
                kind: "agent",
                name: name.to_string(),
                fix: format!("secretref agent list --environment {environment}"),
            });
        }
        let ledger = self.shared.ledger();
        let mut secrets: BTreeMap<SecretId, HeldSecret> = BTreeMap::new();
        for ((id, version), held) in trace.held() {
            let secret = secrets.entry(*id).or_insert_with(|| HeldSecret {
                name: held.name.clone(),
                environment: held.environment.clone(),
                versions: Vec::new(),
                replaced: replaced(&ledger, *id, held),
            });
            secret.versions.push((*version, fate(&ledger, *id, *version), held.clone()));
        }
        drop(ledger);
        let mut secrets: Vec<HeldSecret> = secrets.into_values().collect();
        secrets.sort_by(|one, other| {
            (&one.environment, &one.name).cmp(&(&other.environment, &other.name))
        });
        Ok(AgentReach { secrets, examined })
    }

    /// Shows every entry of the trail from a time on, the newest first; of a long one the newest.
    async fn walk(
        &self,
        since: Timestamp,
        mut see: impl FnMut(&DecodedEntry) + Send,
    ) -> Result<Examined, CustodyError> {
        let mut before: Option<AuditCursor> = None;
        let mut entries = 0;
        // What is archived is not looked at, and nobody is to think that it was.
        let is_cut = self.shared.store.trail_beginning().await? > 0;
        while entries < ENTRIES_MAX {
            let rows = self.shared.store.audit_before(before, since, PAGE).await?;
            let last = rows.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
            for row in rows {
                let entry = DecodedEntry::decode(&row.entry).map_err(|error| {
                    StoreError::Damaged(format!("audit entry {} {}: {error}", row.lane, row.seq))
                })?;
                see(&entry);
                entries += 1;
                before = Some(AuditCursor { at: row.at, lane: row.lane, seq: row.seq });
            }
            if last {
                let since = (since > Timestamp::from_micros(0)).then_some(since);
                let oldest = before.filter(|_| is_cut).map(|cursor| cursor.at);
                let since = since.max(oldest);
                return Ok(Examined { since, entries });
            }
        }
        Ok(Examined { since: before.map(|cursor| cursor.at), entries })
    }

    async fn holders(&self, secret: SecretId) -> Result<Vec<Holder>, CustodyError> {
        self.reports_settled().await;
        let rows = self.shared.store.reports_of(secret).await?;
        let ledger = self.shared.ledger();
        let holder = |row: crate::store::ReportRow| {
            let state = ReportState::of(row.state).filter(|state| *state != ReportState::Wiped)?;
            Some(Holder {
                agent: ledger.agent(row.agent)?.name.clone(),
                instance: row.instance,
                version: row.version,
                state,
                evidence: Evidence::of(row.evidence),
                since: row.at,
                connected: self.feed().live(row.agent).contains(&row.instance),
            })
        };
        let mut holders: Vec<Holder> = rows.into_iter().filter_map(holder).collect();
        holders
            .sort_by(|one, other| (&one.agent, one.instance).cmp(&(&other.agent, other.instance)));
        Ok(holders)
    }

    /// The bindings that a secret has a part in, whoever may have it now.
    fn uses(&self, ledger: &Ledger, secret: &Secret) -> Vec<Use> {
        let now = self.now();
        let mut uses = Vec::new();
        for agent in ledger.subscribers(&secret.environment, &secret.name) {
            let Some(agent) = ledger.agent(agent) else { continue };
            let desired = ledger.desired_when_active(agent, now, None);
            let owed = desired.secrets.into_iter().flat_map(|owed| owed.targets);
            let targets = owed.chain(desired.missing.into_iter().map(|missing| missing.target));
            let ours = targets.filter(|target| {
                let chain = ledger.chain(&agent.environment, &target.reference);
                chain.iter().any(|link| link.secret.as_ref() == Some(&secret.name))
            });
            uses.extend(ours.map(|target| Use {
                agent: agent.name.clone(),
                group: agent.group_of(&target.tool).cloned(),
                target,
            }));
        }
        uses.sort_by(|one, other| {
            let key = |it: &Use| (it.agent.clone(), it.target.tool.clone(), it.target.key.clone());
            key(one).cmp(&key(other))
        });
        uses
    }
}

/// The secret of a name, or the one whose value the ref of that name has.
fn named<'l>(
    ledger: &'l Ledger,
    environment: &EnvironmentName,
    name: &SecretName,
) -> Result<&'l Secret, CustodyError> {
    let own = ledger.secret_named(environment, name);
    own.or_else(|| ledger.rotated_secret(environment, name)).ok_or_else(|| CustodyError::NotFound {
        kind: "secret",
        name: name.to_string(),
        fix: format!("secretref list --environment {environment}"),
    })
}

fn fate(ledger: &Ledger, secret: SecretId, number: i64) -> VersionFate {
    let found = Version::new(number)
        .and_then(|version| Some((version, ledger.secret(secret)?.versions.get(&version)?)));
    // A version that is no longer kept was pushed out, and its key with it.
    let Some((version, kept)) = found.filter(|(_, kept)| !kept.destroyed) else {
        return VersionFate::Destroyed;
    };
    let rotation = ledger.rotation_of(secret);
    let old = rotation.filter(|rotation| rotation.old == version);
    let leaves = old.is_some_and(|it| {
        matches!(it.phase, Phase::Promoting | Phase::Draining { .. } | Phase::Revoking)
    });
    match () {
        () if leaves => VersionFate::Draining,
        () if kept.staged => VersionFate::Pending,
        () if ledger.secret(secret).is_some_and(|it| it.current == version) => VersionFate::Current,
        () => VersionFate::Previous,
    }
}

/// How a secret is replaced: by the rotation of a ref, if there is one that can be.
fn replaced(ledger: &Ledger, id: SecretId, held: &Held) -> Replacement {
    let by_hand = |reason: String, fix: String| Replacement::ByHand { reason, fix };
    let Some(secret) = ledger.secret(id) else {
        let reason = "it is not in the store any more".to_owned();
        return by_hand(reason, format!("revoke {:?} at its service", held.name));
    };
    let environment = &secret.environment;
    let refs = ledger.references(environment).map(|(name, _)| name).filter(|name| {
        ledger.rotated_secret(environment, name).is_some_and(|found| found.id == id)
    });
    let mut why = None;
    for name in refs {
        match rotatable(ledger, environment, name) {
            Ok(_) => return Replacement::By(name.clone()),
            // It can be, once the one that is under way is over: whoever begins one is told.
            Err(CustodyError::Precondition { code: "ROTATION_UNDER_WAY", .. }) => {
                return Replacement::By(name.clone());
            }
            Err(CustodyError::Precondition { message, fix, .. }) => {
                why.get_or_insert((message, fix));
            }
            Err(_) => {}
        }
    }
    let name = &secret.name;
    let at_its_source = name.copied_ref().is_some();
    let put = match at_its_source {
        true => "give it a new value at its source, where it is taken over from".to_owned(),
        false => format!("revoke it at its service, and secretref put {name}"),
    };
    match why {
        Some((reason, fix)) => by_hand(reason, format!("{put}; or {fix}, and rotate it")),
        None => by_hand("no ref with a rotator has its value".to_owned(), put),
    }
}

/// Entries that are read at once.
const PAGE: i64 = 1000;
/// Entries that are read for one question.
const ENTRIES_MAX: i64 = 1_000_000;
