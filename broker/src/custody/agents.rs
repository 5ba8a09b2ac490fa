//! The verbs of agents: listing, join tokens, revocation.

mod quarantine;

use super::{
    Custody, CustodyError, ReportState,
    plan::{Committed, Effects, Plan, Planned, RequestKey, event},
};
use crate::authority::mint;
use secretref_domain::{
    audit::Event,
    caller::Caller,
    change::Change,
    clock::Timestamp,
    id::{AgentId, Digest},
    ledger::{Agent, Desired, Ledger},
    limit::{REASON_BYTES_MAX, TOKEN_TTL_SECONDS_MAX},
    name::{AgentName, EnvironmentName, GroupName},
    policy::Action,
};
use secretref_identity::join_token::JoinToken;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, time::Duration};

/// A token that was minted.
pub struct TokenGrant {
    /// The token; it is nowhere else.
    pub token: JoinToken,
    /// Until when it can be used.
    pub expires_at: Timestamp,
}

/// What a revocation did.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Revocation {
    /// The agent.
    pub agent: AgentId,
    /// Streams of this broker that it cuts.
    pub streams: usize,
}

/// Who is shut out, and why.
pub(super) struct ShutOut {
    environment: EnvironmentName,
    name: AgentName,
    reason: String,
    request: Option<RequestKey>,
}

impl Custody {
    /// An agent, with what it is owed now.
    ///
    /// # Errors
    /// [`CustodyError::NotFound`], or a denial.
    pub async fn show_agent(
        &self,
        caller: &Caller,
        environment: Option<EnvironmentName>,
        name: &AgentName,
    ) -> Result<(Agent, Desired), CustodyError> {
        let environment = self.environment(environment);
        self.permit(caller, Action::MetadataRead, || {
            agent_event(caller, "agent.show", &environment, name)
        })
        .await?;
        let ledger = self.shared.ledger();
        let agent = find(&ledger, &environment, name)?;
        Ok((agent.clone(), ledger.desired(agent.id, self.now(), None)))
    }

    /// At most `limit` agents after a name, ordered by name, with what they are owed now, and
    /// whether there are more; where a group is named, only those that name it.
    ///
    /// # Errors
    /// [`CustodyError::NotFound`] where there is no such group, or a denial.
    pub async fn list_agents(
        &self,
        caller: &Caller,
        environment: Option<EnvironmentName>,
        group: Option<&GroupName>,
        after: Option<&AgentName>,
        limit: usize,
    ) -> Result<(Vec<(Agent, Desired)>, bool), CustodyError> {
        let environment = self.environment(environment);
        self.permit(caller, Action::MetadataRead, || event(caller, "agent.list")).await?;
        let now = self.now();
        let ledger = self.shared.ledger();
        if let Some(group) = group
            && ledger.group(&environment, group).is_none()
        {
            return Err(CustodyError::NotFound {
                kind: "group",
                name: group.to_string(),
                fix: format!("secretref agent list --environment {environment}, for each agent's"),
            });
        }
        let member = |agent: &&Agent| group.is_none_or(|group| agent.spec.groups.contains(group));
        let mut found = ledger.agents_after(&environment, after).filter(member);
        let page = found
            .by_ref()
            .take(limit)
            .map(|agent| (agent.clone(), ledger.desired(agent.id, now, None)))
            .collect();
        Ok((page, found.next().is_some()))
    }

    /// At most `limit` agents of every environment after one of them, ordered by environment and
    /// name, with what they are owed now, and whether there are more.
    ///
    /// # Errors
    /// A denial.
    pub async fn list_fleet(
        &self,
        caller: &Caller,
        after: Option<&(EnvironmentName, AgentName)>,
        limit: usize,
    ) -> Result<(Vec<(Agent, Desired)>, bool), CustodyError> {
        self.permit(caller, Action::MetadataRead, || event(caller, "agent.list")).await?;
        let now = self.now();
        let ledger = self.shared.ledger();
        let mut found = ledger.fleet_after(after);
        let page = found.by_ref().take(limit);
        let page = page.map(|agent| (agent.clone(), ledger.desired(agent.id, now, None))).collect();
        Ok((page, found.next().is_some()))
    }

    /// Mints a join token for an agent.
    ///
    /// # Errors
    /// [`CustodyError`]; nothing is changed then.
    pub async fn mint_token(
        &self,
        caller: &Caller,
        environment: Option<EnvironmentName>,
        name: AgentName,
        ttl_seconds: i64,
        readmit: bool,
    ) -> Result<TokenGrant, CustodyError> {
        if !(1..=TOKEN_TTL_SECONDS_MAX).contains(&ttl_seconds) {
            let problem =
                format!("it is {ttl_seconds}; a token lives 1 to {TOKEN_TTL_SECONDS_MAX} s");
            return Err(CustodyError::invalid("ttl_seconds", problem));
        }
        let environment = self.environment(environment);
        let mut event = agent_event(caller, "token.mint", &environment, &name);
        self.permit(caller, Action::AgentWrite, || event.clone()).await?;
        let authority = self.authority();
        let token = mint(authority.fingerprint()?)?;
        let hash = Digest(token.hash());
        let plan: Plan<Timestamp> = Box::new(move |ground| {
            let agent = find(ground.ledger, &environment, &name)?;
            if !readmit {
                may_join(agent)?;
            }
            let expires_at = ground.at.plus_seconds(ttl_seconds);
            event.object_id = agent.id.0;
            let change = Change::TokenMinted { token: hash, agent: agent.id, expires_at, readmit };
            let effects =
                Effects { changes: vec![change], events: vec![event], ..Effects::default() };
            Ok(Planned { effects, answer: expires_at })
        });
        let committed = self.writer.change(None, plan).await?;
        Ok(TokenGrant { token, expires_at: committed.answer })
    }

    /// Revokes an agent. Returns once its streams here have ended, or after a second, when their
    /// connections are cut; and once every other broker follows, or sends nothing any more.
    ///
    /// # Errors
    /// [`CustodyError`]; nothing is changed then.
    pub async fn revoke_agent(
        &self,
        caller: &Caller,
        environment: Option<EnvironmentName>,
        name: AgentName,
        reason: String,
        request: Option<RequestKey>,
    ) -> Result<Committed<Revocation>, CustodyError> {
        let out = ShutOut { environment: self.environment(environment), name, reason, request };
        self.shut_out(caller, "agent.revoke", out, |agent| {
            Ok(Change::AgentRevoked { agent: agent.id })
        })
        .await
    }

    /// Shuts an agent out by a change, and waits until its streams here are gone.
    pub(super) async fn shut_out(
        &self,
        caller: &Caller,
        action: &'static str,
        out: ShutOut,
        change: impl Fn(&Agent) -> Result<Change, CustodyError> + Send + 'static,
    ) -> Result<Committed<Revocation>, CustodyError> {
        let ShutOut { environment, name, reason, request } = out;
        if reason.len() > REASON_BYTES_MAX {
            let problem = format!("it is longer than {REASON_BYTES_MAX} bytes");
            return Err(CustodyError::invalid("reason", problem));
        }
        let mut event = agent_event(caller, action, &environment, &name);
        event.reason = reason;
        event.request_id = request.map(|request| request.id.to_string()).unwrap_or_default();
        self.permit(caller, Action::AgentWrite, || event.clone()).await?;
        let feed = self.feed().clone();
        let plan: Plan<Revocation> = Box::new(move |ground| {
            let agent = find(ground.ledger, &environment, &name)?;
            event.object_id = agent.id.0;
            let streams = feed.live(agent.id).len();
            let changes = vec![change(agent)?];
            let effects = Effects { changes, events: vec![event], ..Effects::default() };
            Ok(Planned { effects, answer: Revocation { agent: agent.id, streams } })
        });
        let committed = self.writer.change(request, plan).await?;
        tokio::join!(self.wait_gone(committed.answer.agent), self.everywhere(committed.revision));
        Ok(committed)
    }

    /// Names of the secrets that an agent's instances said they have and did not say they wiped.
    ///
    /// # Errors
    /// A denial, or [`CustodyError::Store`].
    pub async fn held(&self, caller: &Caller, agent: AgentId) -> Result<Vec<String>, CustodyError> {
        let reports = self.agent_reports(caller, agent).await?;
        let held = reports.iter().filter(|report| report.state != ReportState::Wiped);
        let names: BTreeSet<_> =
            held.filter_map(|report| self.secret_name(report.secret)).collect();
        Ok(names.into_iter().map(|name| name.to_string()).collect())
    }

    /// Waits until an agent holds no stream here. Every stream ends itself within a second of its
    /// cut; nothing is sent on it meanwhile, as every send is authorised.
    async fn wait_gone(&self, agent: AgentId) {
        let mut count = self.feed().count();
        let gone =
            async { while !self.feed().live(agent).is_empty() && count.changed().await.is_ok() {} };
        drop(tokio::time::timeout(REVOKE_WAIT_MAX, gone).await);
    }
}

/// Whether an agent may join with an ordinary token.
fn may_join(agent: &Agent) -> Result<(), CustodyError> {
    let name = &agent.name;
    let refused = |code, is: &str, fix: String| {
        let message = format!("agent {name:?} is {is}");
        Err(CustodyError::Precondition { code, message, fix })
    };
    match agent.quarantined_at {
        Some(_) => refused(
            "AGENT_QUARANTINED",
            "quarantined",
            format!(
                "secretref agent release {name}, where its hosts are to be trusted; or secretref \
                 agent token {name} --readmit, for a host that is, and for none before"
            ),
        ),
        None if !agent.active => refused(
            "AGENT_REVOKED",
            "revoked",
            format!("secretref agent token {name} --readmit, to let it in again"),
        ),
        None => Ok(()),
    }
}

/// An event about an agent.
pub(super) fn agent_event(
    caller: &Caller,
    action: &'static str,
    environment: &EnvironmentName,
    name: &AgentName,
) -> Event {
    Event {
        environment: environment.to_string(),
        object_kind: "agent",
        object: name.to_string(),
        ..event(caller, action)
    }
}

/// The agent of a name.
pub(super) fn find<'a>(
    ledger: &'a Ledger,
    environment: &EnvironmentName,
    name: &AgentName,
) -> Result<&'a Agent, CustodyError> {
    ledger.agent_named(environment, name).ok_or_else(|| CustodyError::NotFound {
        kind: "agent",
        name: name.to_string(),
        fix: format!("secretref agent list --environment {environment}"),
    })
}

/// How long a revocation waits for streams to end.
const REVOKE_WAIT_MAX: Duration = Duration::from_secs(1);
