//! What an agent's tools go without: on the record, in the log, and for people to be told where the
//! tool's failure policy says so.

use super::{Admission, Custody, CustodyError, plan::event};
use secretref_domain::{
    agent::OnFailure,
    alert::{Alert, AlertKind},
    audit::{Decision, Event},
    ledger::{Agent, Ledger, Missing, Resolution},
};
use std::collections::{BTreeMap, BTreeSet};

impl Custody {
    /// Records that an agent may not have what it is bound to, or that a ref that it cannot work
    /// without has no value, once for each binding and reason: `noted` holds those that are
    /// recorded, and forgets those that are over. Returns what people are to be told as long as it
    /// is so.
    ///
    /// # Errors
    /// [`CustodyError::Store`]; nobody is to be told then.
    pub async fn refuse(
        &self,
        admission: &Admission,
        missing: &[Missing],
        noted: &mut BTreeSet<String>,
    ) -> Result<Vec<Alert>, CustodyError> {
        let refused = missing.iter().filter(|missing| missing.denied || missing.target.required);
        let now: BTreeMap<String, &Missing> =
            refused.map(|it| (format!("{}: {}", it.target.file, it.reason), it)).collect();
        let fresh: Vec<&Missing> =
            now.iter().filter(|(key, _)| !noted.contains(*key)).map(|(_, it)| *it).collect();
        if !fresh.is_empty() {
            let events = fresh.iter().map(|it| self.refusal(admission, it)).collect();
            self.writer.note(events).await?;
            fresh.iter().filter(|it| it.target.required).for_each(|it| log(admission, it));
        }
        let alerts = {
            let ledger = self.shared.ledger();
            let agent = ledger.agent(admission.agent);
            let alert = |it: &&Missing| alert(&ledger, agent?, it);
            now.values().filter_map(alert).collect()
        };
        *noted = now.into_keys().collect();
        Ok(alerts)
    }

    fn refusal(&self, admission: &Admission, missing: &Missing) -> Event {
        let ledger = self.shared.ledger();
        let reference = &missing.target.reference;
        let name = match ledger.resolve(&admission.environment, reference, None) {
            Resolution::Secret(resolved) => resolved.secret,
            Resolution::Unresolved { .. } => reference.clone(),
        };
        let secret = ledger.secret_named(&admission.environment, &name);
        Event {
            environment: admission.environment.to_string(),
            object_kind: "secret",
            object_id: secret.map(|secret| secret.id.0).unwrap_or_default(),
            object: name.to_string(),
            decision: Decision::Denied,
            reason: match missing.denied {
                true => missing.reason.clone(),
                false => format!("tool {:?}: {}", missing.target.tool.as_str(), missing.reason),
            },
            ..event(&admission.caller, "secret.deliver")
        }
    }
}

fn log(admission: &Admission, missing: &Missing) {
    let Missing { target, reason, fix, .. } = missing;
    tracing::warn!(
        environment = %admission.environment,
        agent = %admission.name,
        tool = %target.tool,
        "ref" = %target.reference,
        reason,
        fix,
        "a tool has no credential"
    );
}

/// What people are to be told of it, where the tool's failure policy is to alert them and the agent
/// cannot work without it.
fn alert(ledger: &Ledger, agent: &Agent, missing: &Missing) -> Option<Alert> {
    let Missing { target, reason, fix, denied } = missing;
    let profile = agent.effective().profiles.get(&target.tool)?;
    if !target.required || profile.on_failure != OnFailure::DenyAndAlert {
        return None;
    }
    // Whoever reads the alert does not know which environment is meant.
    let elsewhere = agent.environment != *ledger.active_environment();
    let option = match elsewhere && fix.starts_with("secretref ") {
        true => format!(" --environment {}", agent.environment),
        false => String::new(),
    };
    let kind = if *denied { AlertKind::Denied } else { AlertKind::Unresolved };
    Some(Alert {
        agent: Some(agent.name.clone()),
        tool: Some(target.tool.clone()),
        reference: Some(target.reference.clone()),
        provider: None,
        reason: reason.clone(),
        fix: format!("{fix}{option}"),
        ..Alert::of(kind, agent.environment.clone())
    })
}
