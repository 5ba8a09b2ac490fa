//! Environments: which there are, and switching between them.

use super::{
    Custody, CustodyError, Itinerary, Observation, Place, Unresolved,
    manifests::{fold, unresolved},
    plan::{Committed, Effects, Ground, Plan, Planned, RequestKey, event},
};
use secretref_domain::{
    audit::Event,
    caller::Caller,
    change::Change,
    ledger::{Agent, Ledger, Resolution},
    name::{AgentName, EnvironmentName, ProviderAlias, SecretName},
    policy::Action,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// An environment as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentView {
    /// Name.
    pub name: EnvironmentName,
    /// Whether requests without one mean it.
    pub active: bool,
    /// Provider of its refs that name none.
    pub active_provider: ProviderAlias,
    /// Refs of its refMap.
    pub refs: usize,
    /// Its agents.
    pub agents: usize,
    /// Its secrets, copies too.
    pub secrets: usize,
}

/// Which environment is to be used, and by whom.
pub struct Switch {
    /// The environment.
    pub environment: EnvironmentName,
    /// Agents of the active environment that move to it.
    pub agents: Vec<AgentName>,
    /// Whether all of them do.
    pub all_agents: bool,
    /// Says what would change and changes nothing.
    pub validate_only: bool,
}

/// What a switch did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switched {
    /// The environment that was active.
    pub before: EnvironmentName,
    /// The environment that is active now, or would be.
    pub environment: EnvironmentName,
    /// Agents that move.
    pub moves: Vec<Move>,
    /// Refs of theirs that come to nothing there.
    pub unresolved: Vec<Unresolved>,
}

/// An agent that moves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// The agent.
    pub agent: AgentName,
    /// The environment that it leaves.
    pub from: EnvironmentName,
    /// What each of its refs comes to, before and after.
    pub refs: BTreeMap<SecretName, (String, String)>,
}

impl Custody {
    /// All environments, by name.
    ///
    /// # Errors
    /// A denial.
    pub async fn list_environments(
        &self,
        caller: &Caller,
    ) -> Result<Vec<EnvironmentView>, CustodyError> {
        self.permit(caller, Action::MetadataRead, || event(caller, "environment.list")).await?;
        let ledger = self.shared.ledger();
        let view = |name: EnvironmentName| EnvironmentView {
            active: name == *ledger.active_environment(),
            active_provider: ledger.active_provider(&name),
            refs: ledger.references(&name).count(),
            agents: ledger.agents_after(&name, None).count(),
            secrets: ledger.secret_count(&name),
            name,
        };
        Ok(ledger.environments().into_iter().map(view).collect())
    }

    /// The places that agents which move come to and that have no value so far: whoever switches
    /// has perhaps just put one there.
    ///
    /// # Errors
    /// As [`Custody::switch`].
    pub fn itinerary_of_switch(&self, switch: &Switch) -> Result<Itinerary, CustodyError> {
        let ledger = self.shared.ledger().clone();
        let ground = Ground { ledger: &ledger, at: self.now() };
        let mut after = ledger.clone();
        fold(&mut after, &changes(&ground, switch)?, ground.at)?;
        let mut itinerary = Itinerary::default();
        for agent in moving(&ledger, switch)? {
            for (_, _, credential) in agent.effective().credentials() {
                itinerary.add(&after, &switch.environment, &credential.secret_ref);
            }
        }
        itinerary.places.retain(|Place { environment, reference, source }| {
            let state = after.source_state(environment, reference, source);
            state.is_none_or(|state| state.fault.is_some())
        });
        Ok(itinerary)
    }

    /// Makes an environment the active one and moves agents to it, with what the places that they
    /// come to have answered.
    ///
    /// # Errors
    /// [`CustodyError`]; nothing is changed then.
    pub async fn switch(
        &self,
        caller: &Caller,
        switch: Switch,
        observations: Vec<Observation>,
        request: Option<RequestKey>,
    ) -> Result<Committed<Switched>, CustodyError> {
        let mut record = event(caller, "environment.use");
        (record.object_kind, record.object) = ("environment", switch.environment.to_string());
        record.environment = switch.environment.to_string();
        record.request_id = request.map(|request| request.id.to_string()).unwrap_or_default();
        self.permit(caller, Action::AgentWrite, || record.clone()).await?;
        let custody = self.clone();
        let plan: Plan<Switched> =
            Box::new(move |ground| plan(&custody, ground, &switch, observations, record));
        self.writer.change(request, plan).await
    }
}

fn plan(
    custody: &Custody,
    ground: &Ground<'_>,
    switch: &Switch,
    observations: Vec<Observation>,
    mut record: Event,
) -> Result<Planned<Switched>, CustodyError> {
    let before = ground.ledger;
    let changes = changes(ground, switch)?;
    let mut after = before.clone();
    fold(&mut after, &changes, ground.at)?;
    let observed = {
        let broker = Caller::Broker { id: custody.broker() };
        let ground = Ground { ledger: &after, at: ground.at };
        custody.plan_observed(&ground, &broker, observations)?
    };
    fold(&mut after, &observed.changes, ground.at)?;
    let moved = moving(before, switch)?;
    let agents: BTreeSet<AgentName> = moved.iter().map(|agent| agent.name.clone()).collect();
    let answer = Switched {
        before: before.active_environment().clone(),
        environment: switch.environment.clone(),
        moves: moved.iter().map(|agent| to_move(before, &after, agent, switch)).collect(),
        unresolved: unresolved(&after, &switch.environment, &agents, ground.at)
            .into_values()
            .collect(),
    };
    if switch.validate_only || changes.is_empty() {
        return Ok(Planned { effects: Effects::default(), answer });
    }
    let from = &answer.before;
    record.reason = format!("{} agents moved from {from}", moved.len());
    let moves = moved.iter().map(|agent| Event {
        object_kind: "agent",
        object: agent.name.to_string(),
        object_id: agent.id.0,
        reason: format!("moved from {from}"),
        ..record.clone()
    });
    let events = moves.chain([record.clone()]).collect();
    let mut effects = Effects { changes, events, ..Effects::default() };
    effects.extend(observed);
    Ok(Planned { effects, answer })
}

fn changes(ground: &Ground<'_>, switch: &Switch) -> Result<Vec<Change>, CustodyError> {
    let (ledger, environment) = (ground.ledger, &switch.environment);
    if !ledger.environments().contains(environment) {
        return Err(CustodyError::NotFound {
            kind: "environment",
            name: environment.to_string(),
            fix: "secretref environment list; a manifest makes one: environments.NAME".into(),
        });
    }
    let mut changes = Vec::new();
    if environment != ledger.active_environment() {
        changes.push(Change::EnvironmentActivated { environment: environment.clone() });
    }
    for agent in moving(ledger, switch)? {
        let name = &agent.name;
        if ledger.agent_named(environment, name).is_some() {
            return Err(CustodyError::Precondition {
                code: "NAME_TAKEN",
                message: format!("environment {environment} has an agent {name:?} of its own"),
                fix: format!("leave {name} where it is, or revoke and prune the other"),
            });
        }
        let missing = agent.spec.groups.iter().find(|it| ledger.group(environment, it).is_none());
        if let Some(group) = missing {
            return Err(CustodyError::Precondition {
                code: "GROUP_MISSING",
                message: format!("agent {name:?} is in group {group:?}, which {environment} lacks"),
                fix: format!("apply the group with --environment {environment} first"),
            });
        }
        changes.push(Change::AgentSet {
            environment: environment.clone(),
            agent: agent.id,
            name: name.clone(),
            spec: Box::new(agent.spec.clone()),
        });
    }
    Ok(changes)
}

/// The agents that move: those of the active environment that are named, or all of them.
fn moving<'l>(ledger: &'l Ledger, switch: &Switch) -> Result<Vec<&'l Agent>, CustodyError> {
    let from = ledger.active_environment();
    if switch.environment == *from && !switch.agents.is_empty() {
        return Err(CustodyError::invalid(
            "agents",
            format!("{from} is the active environment: its agents are there already"),
        ));
    }
    if switch.environment == *from {
        return Ok(Vec::new());
    }
    if switch.all_agents {
        return Ok(ledger.agents_after(from, None).collect());
    }
    let named: BTreeSet<&AgentName> = switch.agents.iter().collect();
    named.into_iter().map(|name| super::agents::find(ledger, from, name)).collect()
}

fn to_move(before: &Ledger, after: &Ledger, agent: &Agent, switch: &Switch) -> Move {
    let refs = agent.effective().credentials().map(|(_, _, credential)| &credential.secret_ref);
    let said = |name: &SecretName| {
        let there = comes_to(after, &switch.environment, name);
        (name.clone(), (comes_to(before, &agent.environment, name), there))
    };
    let refs = refs.map(said).collect();
    let (agent, from) = (agent.name.clone(), agent.environment.clone());
    Move { agent, from, refs }
}

/// What a ref comes to, such as `vault v8`; empty where to nothing.
fn comes_to(ledger: &Ledger, environment: &EnvironmentName, name: &SecretName) -> String {
    let Resolution::Secret(resolved) = ledger.resolve(environment, name, None) else {
        return String::new();
    };
    let secret = ledger.secret_named(environment, &resolved.secret);
    let live = secret.filter(|secret| secret.deleted_at.is_none());
    live.map(|secret| format!("{} {}", resolved.describe(), secret.current)).unwrap_or_default()
}
