//! Providers that fail: who does not answer anybody, and who has nothing for a ref.

use super::{counted, listed};
use crate::{
    alert::Severity,
    clock::Timestamp,
    condition::{Bounds, Condition, ConditionKey, ConditionKind},
    fault::Fault,
    ledger::{Ledger, Resolution, SourceFault},
    name::{EnvironmentName, ProviderAlias, SecretName},
};
use std::collections::BTreeMap;

impl Ledger {
    /// Which providers fail: one condition for a provider that answers nobody, and one for each
    /// ref that a provider has nothing for.
    #[must_use]
    pub fn conditions_of_providers(
        &self,
        environment: &EnvironmentName,
        bounds: &Bounds,
        now: Timestamp,
    ) -> Vec<Condition> {
        let mut of_all: BTreeMap<ProviderAlias, Vec<Failed>> = BTreeMap::new();
        let mut found = Vec::new();
        for (_, name) in self.sources.keys().filter(|(of, _)| of == environment) {
            let resolution = self.resolve(environment, name, None);
            let mut before_taken = true;
            for link in self.chain(environment, name) {
                let state = self.source_state(environment, name, &link.source);
                let provider = link.source.provider.clone();
                let relies = before_taken;
                if let Resolution::Secret(resolved) = &resolution
                    && resolved.stale.is_none()
                    && resolved.source == link.source
                {
                    before_taken = false;
                }
                let Some(fault) = state.and_then(|state| state.fault.clone()) else { continue };
                if now < fault.since.plus_seconds(bounds.degraded_seconds) {
                    continue;
                }
                let failed = Failed { name: name.clone(), fault, without: without(&resolution) };
                match failed.fault.failing.fault {
                    Fault::NotFound | Fault::Malformed | Fault::TooLarge => {
                        // What stands in for a place that is well need not have anything.
                        found
                            .extend(relies.then(|| self.missing_in(environment, provider, failed)));
                    }
                    _ => of_all.entry(provider).or_default().push(failed),
                }
            }
        }
        found.extend(
            of_all.into_iter().filter_map(|(alias, all)| self.degraded(environment, alias, &all)),
        );
        found
    }

    fn degraded(
        &self,
        environment: &EnvironmentName,
        provider: ProviderAlias,
        all: &[Failed],
    ) -> Option<Condition> {
        let first = all.iter().min_by_key(|failed| failed.fault.since)?;
        let worst = all.iter().find(|failed| failed.without.is_some()).unwrap_or(first);
        let names: Vec<&str> = all.iter().map(|failed| failed.name.as_str()).collect();
        let failing = &worst.fault.failing;
        let message = format!(
            "it {} ({}); {}: {}",
            failing.message,
            failing.fault,
            counted(all.len(), "ref"),
            listed(&names),
        );
        Some(Condition {
            key: ConditionKey {
                provider: Some(provider),
                ..ConditionKey::of(ConditionKind::ProviderDegraded, environment.clone())
            },
            severity: worst.severity(),
            since: first.fault.since,
            ends: None,
            message: worst.says(message),
            fix: self.whole(environment, failing.fix.clone()),
        })
    }

    fn missing_in(
        &self,
        environment: &EnvironmentName,
        provider: ProviderAlias,
        failed: Failed,
    ) -> Condition {
        let failing = &failed.fault.failing;
        Condition {
            severity: failed.severity(),
            since: failed.fault.since,
            ends: None,
            message: failed.says(format!("it {} ({})", failing.message, failing.fault)),
            fix: self.whole(environment, failing.fix.clone()),
            key: ConditionKey {
                provider: Some(provider),
                reference: Some(failed.name),
                ..ConditionKey::of(ConditionKind::ProviderDegraded, environment.clone())
            },
        }
    }
}

/// A ref whose place in a provider fails.
struct Failed {
    name: SecretName,
    fault: SourceFault,
    /// What the ref does without, where it does: nothing where another place stands in.
    without: Option<&'static str>,
}

impl Failed {
    fn severity(&self) -> Severity {
        if self.without.is_some() { Severity::Error } else { Severity::Warning }
    }

    fn says(&self, message: String) -> String {
        match self.without {
            Some(without) => format!("{message}; {without}"),
            None => format!("{message}; another place stands in"),
        }
    }
}

/// What a ref does without while a place fails.
fn without(resolution: &Resolution) -> Option<&'static str> {
    match resolution {
        Resolution::Unresolved { .. } => Some("there is no value"),
        Resolution::Secret(resolved) if resolved.stale.is_some() => {
            Some("what agents have is the last value that was seen")
        }
        Resolution::Secret(_) => None,
    }
}
