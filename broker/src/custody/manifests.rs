//! Applying manifests: all of it or nothing.

mod draft;
mod groups;

use super::{
    Custody, CustodyError, Itinerary, Observation,
    plan::{Committed, Effects, Ground, Plan, Planned, RequestKey, event},
};
use draft::Draft;
pub(super) use draft::{fold, unresolved};
use secretref_domain::{
    alert::ChannelName,
    audit::Event,
    caller::Caller,
    manifest::{Difference, Manifest},
    name::{AgentName, EnvironmentName, SecretName},
    policy::Action,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What an apply wants.
pub struct Apply {
    /// The manifest, parsed.
    pub manifest: Manifest,
    /// Environment that it goes to; absent: the one that it names, else the active one.
    pub environment: Option<EnvironmentName>,
    /// Says what would change and changes nothing.
    pub validate_only: bool,
    /// Refuses refs that cannot be resolved.
    pub strict: bool,
    /// Removes what the manifest does not name.
    pub prune: bool,
}

/// What an apply did.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Applied {
    /// Environment that it went to.
    pub environment: EnvironmentName,
    /// Everything that the manifest names, and what was removed.
    pub changes: Vec<AppliedChange>,
    /// Refs of the applied agents and channels that have no value.
    pub unresolved: Vec<Unresolved>,
    /// What looks like a mistake and stops nothing.
    pub warnings: Vec<String>,
}

/// What an apply did with one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedChange {
    /// Kind of the thing.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What was done: `created`, `updated`, `unchanged`, `removed`, `activated`.
    pub action: String,
    /// What would change, key by key; only where nothing is changed.
    #[serde(default)]
    pub differences: Vec<Difference>,
    /// Keys beyond those that `differences` lists.
    #[serde(default)]
    pub more_differences: usize,
}

/// A ref without a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unresolved {
    /// The ref.
    pub reference: SecretName,
    /// Agents that are bound to it.
    pub agents: BTreeSet<AgentName>,
    /// Alert channels whose address it is.
    #[serde(default)]
    pub channels: BTreeSet<ChannelName>,
    /// Why it has no value.
    pub reason: String,
    /// The command that helps.
    pub fix: String,
    /// Whether an agent cannot work without it.
    pub required: bool,
}

impl Custody {
    /// The places that a manifest's refs would be in once it is applied, so that they can be asked
    /// before it is.
    ///
    /// # Errors
    /// [`CustodyError::Internal`] where the manifest does not fold.
    pub fn itinerary_of(&self, apply: &Apply) -> Result<Itinerary, CustodyError> {
        let ledger = self.shared.ledger().clone();
        let ground = Ground { ledger: &ledger, at: self.now() };
        let mut draft = Draft::new(&ground, apply);
        draft.fill();
        draft.itinerary()
    }

    /// Applies a manifest, with what the places of its refs have answered: agents that have a value
    /// keep one, whatever the manifest changes.
    ///
    /// # Errors
    /// [`CustodyError`]; nothing is changed then.
    pub async fn apply(
        &self,
        caller: &Caller,
        apply: Apply,
        observations: Vec<Observation>,
        request: Option<RequestKey>,
    ) -> Result<Committed<Applied>, CustodyError> {
        let mut record = event(caller, "manifest.apply");
        record.object_kind = "manifest";
        record.request_id = request.map(|request| request.id.to_string()).unwrap_or_default();
        self.permit(caller, Action::AgentWrite, || record.clone()).await?;
        let custody = self.clone();
        let plan: Plan<Applied> =
            Box::new(move |ground| plan(&custody, ground, &apply, observations, &record));
        self.writer.change(request, plan).await
    }
}

fn plan(
    custody: &Custody,
    ground: &Ground<'_>,
    apply: &Apply,
    observations: Vec<Observation>,
    record: &Event,
) -> Result<Planned<Applied>, CustodyError> {
    let mut draft = Draft::new(ground, apply);
    draft.fill();
    let mut after = draft.after()?;
    groups::check(&after, &draft.touched())?;
    draft.check_channels(&after)?;
    let observed = {
        let broker = Caller::Broker { id: custody.broker() };
        let ground = Ground { ledger: &after, at: ground.at };
        custody.plan_observed(&ground, &broker, observations)?
    };
    fold(&mut after, &observed.changes, ground.at)?;
    let unresolved = draft.unresolved(&after);
    if apply.strict
        && let Some(first) = unresolved.first()
    {
        return Err(refused(&unresolved, first));
    }
    let (changes, answer) = draft.finish(unresolved);
    if apply.validate_only {
        return Ok(Planned { effects: Effects::default(), answer });
    }
    let events = events(&answer, record);
    let mut effects = Effects { changes, events, ..Effects::default() };
    effects.extend(observed);
    Ok(Planned { effects, answer })
}

/// Names every ref that cannot be resolved, as far as a status can hold names; the reasons and
/// fixes of all are what the same apply answers with `validate_only` and without `strict`.
fn refused(unresolved: &[Unresolved], first: &Unresolved) -> CustodyError {
    let names = unresolved.iter().take(REFUSED_NAMES_MAX);
    let names: Vec<String> = names.map(|it| format!("{:?}", it.reference.as_str())).collect();
    let more = match unresolved.len().saturating_sub(REFUSED_NAMES_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    CustodyError::Precondition {
        code: "UNRESOLVED_REFS",
        message: format!(
            "{} refs cannot be resolved: {}{more}. Of the first: {}",
            unresolved.len(),
            names.join(", "),
            first.reason
        ),
        fix: first.fix.clone(),
    }
}

/// Refs that a refusal names: a status travels in headers, which are small.
const REFUSED_NAMES_MAX: usize = 32;

fn events(applied: &Applied, record: &Event) -> Vec<Event> {
    let changed = applied.changes.iter().filter(|change| change.action != "unchanged");
    let event = |change: &AppliedChange| Event {
        environment: applied.environment.to_string(),
        object: change.name.clone(),
        object_kind: match change.kind.as_str() {
            "agent" => "agent",
            "ref" => "ref",
            "provider" => "provider",
            "group" => "group",
            "channel" => "channel",
            _ => "environment",
        },
        reason: change.action.clone(),
        ..record.clone()
    };
    changed.map(event).collect()
}
