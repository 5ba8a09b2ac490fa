//! Where a ref's values come from: the places of its chain, what each of them answered last, and
//! which of them is the one.
//!
//! ```text
//! ref ── chain ─▶ vault ── fails, falls through ─▶ file ── holds ──▶ REF@file, a copy in the store
//! ```
//! What a provider holds is kept as a sealed copy, a secret like any other, one for each place. So
//! an agent never waits for a provider, and keeps what it has while none answers.

use super::{Ledger, Touched};
use crate::{
    change::{Failing, Observed},
    clock::Timestamp,
    fault::Fault,
    name::{EnvironmentName, ProviderAlias, SecretName},
    reference::{ProviderKind, Source},
    version::Version,
};
use std::collections::BTreeMap;

/// One place of a ref's chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The place.
    pub source: Source,
    /// What kind of provider it is in; none where it is not set up.
    pub kind: Option<ProviderKind>,
    /// The secret that its value is kept as: the store's own, or the copy. None where the target
    /// cannot be in the store.
    pub secret: Option<SecretName>,
}

/// What a place answered last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceState {
    /// Version of the copy with what it held last; none where it never had anything.
    pub version: Option<Version>,
    /// Since when it answers so.
    pub since: Timestamp,
    /// Why it has no value now.
    pub fault: Option<SourceFault>,
}

/// What is known of a ref's places.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    states: BTreeMap<Source, SourceState>,
    /// The place that was taken last.
    taken: Option<Source>,
}

/// Why a place has no value now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFault {
    /// The failure.
    pub failing: Failing,
    /// When it failed first without having answered since.
    pub since: Timestamp,
}

/// What a ref comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// A secret.
    Secret(Resolved),
    /// Nothing.
    Unresolved {
        /// Why, in words.
        reason: String,
        /// The command that helps.
        fix: String,
    },
}

/// The secret that a ref comes to, and by which way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The secret.
    pub secret: SecretName,
    /// The place that it comes from.
    pub source: Source,
    /// The chain's first provider, where this is not the first place.
    pub fallback_of: Option<ProviderAlias>,
    /// Why the value is the last that was seen, rather than what the provider has now.
    pub stale: Option<SourceFault>,
}

impl Resolved {
    /// As people are told: `vault`, `file, fallback of vault`, `vault, stale since TIME`.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut text = self.source.provider.to_string();
        if let Some(first) = &self.fallback_of {
            text.push_str(&format!(", fallback of {first}"));
        }
        if let Some(stale) = &self.stale {
            text.push_str(&format!(", stale since {} ({})", stale.since, stale.failing.fault));
        }
        text
    }
}

impl Ledger {
    /// The places of a ref in the order in which they are asked; the first is the ref's own.
    #[must_use]
    pub fn chain(&self, environment: &EnvironmentName, name: &SecretName) -> Vec<Link> {
        let reference = self.reference(environment, name);
        let own = Source {
            provider: reference
                .and_then(|reference| reference.provider.clone())
                .unwrap_or_else(|| self.active_provider(environment)),
            target: reference.and_then(|reference| reference.target.clone()),
            path: reference.and_then(|reference| reference.path.clone()),
        };
        let fallback = reference.map(|reference| reference.fallback.clone()).unwrap_or_default();
        let mut links: Vec<Link> = Vec::with_capacity(1 + fallback.len());
        for source in [own].into_iter().chain(fallback) {
            let kind = self.provider_kind(&source.provider);
            let before = links.iter().filter(|link| link.source.provider == source.provider);
            let nth = before.count() + 1;
            let secret = match (kind, &source.target) {
                (Some(ProviderKind::Store), Some(target)) => SecretName::parse(target).ok(),
                (Some(ProviderKind::Store), None) => Some(name.clone()),
                _ => Some(SecretName::copy(name, &source.provider, nth)),
            };
            links.push(Link { source, kind, secret });
        }
        links
    }

    /// What a place of a ref's chain answered last.
    #[must_use]
    pub fn source_state(
        &self,
        environment: &EnvironmentName,
        reference: &SecretName,
        source: &Source,
    ) -> Option<&SourceState> {
        self.sources.get(&(environment.clone(), reference.clone()))?.states.get(source)
    }

    /// What a ref of an environment comes to; with `only`, as if its chain had the places in this
    /// provider alone. The first place that has a value is taken. One that fails is passed over
    /// where its failure is of the kind that [`crate::fault::Fault::falls_through`]; any other ends
    /// the search. Where none has a value now, it is the one that was seen last.
    #[must_use]
    pub fn resolve(
        &self,
        environment: &EnvironmentName,
        name: &SecretName,
        only: Option<&ProviderAlias>,
    ) -> Resolution {
        let all = self.chain(environment, name);
        let first = all[0].source.provider.clone();
        let links: Vec<Link> = all
            .into_iter()
            .filter(|link| only.is_none_or(|only| link.source.provider == *only))
            .collect();
        if let ([link], Some(ProviderKind::Store)) =
            (links.as_slice(), links.first().and_then(|it| it.kind))
        {
            return in_store(name, link, &first);
        }
        let mut failed: Vec<(&Link, Failing, Timestamp)> = Vec::new();
        for link in &links {
            match self.ask(environment, name, link) {
                Answer::Has => return Resolution::Secret(resolved(link, &first, None)),
                Answer::Fails { failing, since } => {
                    let ends = !failing.fault.falls_through();
                    failed.push((link, failing, since));
                    if ends {
                        break;
                    }
                }
            }
        }
        match self.seen_last(environment, name, &links, &failed) {
            Some((link, fault)) => Resolution::Secret(resolved(link, &first, Some(fault))),
            None => unresolved(name, &failed, only),
        }
    }

    /// The place whose value is kept while none has one now: the one that was taken last, else the
    /// one that has failed for the shortest time. With why it is only the last that was seen.
    fn seen_last<'l>(
        &self,
        environment: &EnvironmentName,
        name: &SecretName,
        links: &'l [Link],
        failed: &[(&'l Link, Failing, Timestamp)],
    ) -> Option<(&'l Link, SourceFault)> {
        let places = self.sources.get(&(environment.clone(), name.clone()))?;
        let has_copy = |link: &&Link| {
            let state = places.states.get(&link.source);
            let version = state.and_then(|state| state.version);
            (link.kind == Some(ProviderKind::Store) || version.is_some())
                && self.live_secret(environment, link)
        };
        let taken = links.iter().filter(has_copy);
        let taken = taken.into_iter().find(|link| Some(&link.source) == places.taken.as_ref());
        let fault = |(_, failing, since): &(&Link, Failing, Timestamp)| SourceFault {
            failing: failing.clone(),
            since: *since,
        };
        if let Some(link) = taken {
            let own = failed.iter().find(|(it, ..)| it.source == link.source);
            // It may be well itself, behind one that refuses.
            return Some((link, fault(own.or(failed.last())?)));
        }
        let kept = failed.iter().filter(|(link, ..)| has_copy(link));
        let newest = kept.max_by_key(|(_, _, since)| *since)?;
        Some((newest.0, fault(newest)))
    }

    fn live_secret(&self, environment: &EnvironmentName, link: &Link) -> bool {
        let secret = link.secret.as_ref().and_then(|name| self.secret_named(environment, name));
        secret.is_some_and(|secret| {
            let version = secret.versions.get(&secret.current);
            secret.deleted_at.is_none() && version.is_some_and(|version| !version.destroyed)
        })
    }

    fn ask(&self, environment: &EnvironmentName, name: &SecretName, link: &Link) -> Answer {
        let provider = &link.source.provider;
        let fails = |fault, message: String, fix: String| Answer::Fails {
            failing: Failing { fault, message, fix },
            since: Timestamp::from_micros(0),
        };
        match link.kind {
            None => fails(
                Fault::Misconfigured,
                "is not set up".to_owned(),
                format!("name it under `secrets.providers.{provider}` and apply again"),
            ),
            Some(ProviderKind::Store) if self.live_secret(environment, link) => Answer::Has,
            Some(ProviderKind::Store) => {
                let target = link.secret.as_ref().unwrap_or(name);
                let message = format!("has no secret {target:?}");
                fails(Fault::NotFound, message, format!("secretref put {target}"))
            }
            Some(_) => match self.source_state(environment, name, &link.source) {
                Some(SourceState { version: Some(_), fault: None, .. })
                    if self.live_secret(environment, link) =>
                {
                    Answer::Has
                }
                Some(SourceState { fault: Some(fault), .. }) => {
                    Answer::Fails { failing: fault.failing.clone(), since: fault.since }
                }
                _ => fails(
                    Fault::Unreachable,
                    "was not asked yet".to_owned(),
                    format!("secretref provider check {provider}"),
                ),
            },
        }
    }

    pub(super) fn provider_kind(&self, alias: &ProviderAlias) -> Option<ProviderKind> {
        match self.providers.get(alias) {
            Some(spec) => Some(spec.kind),
            None => ProviderKind::parse(alias.as_str()),
        }
    }

    pub(super) fn fold_source(
        &mut self,
        at: Timestamp,
        environment: &EnvironmentName,
        reference: &SecretName,
        source: &Source,
        observed: &Observed,
    ) -> Touched {
        let key = (environment.clone(), reference.clone());
        let places = self.sources.entry(key.clone()).or_default();
        let before = places.states.get(source);
        let kept = before.and_then(|before| before.version);
        let failing_since = before.and_then(|before| before.fault.as_ref()).map(|it| it.since);
        let (version, fault) = match observed {
            Observed::Holds(version) => (Some(*version), None),
            Observed::Fails(failing) => {
                let since = failing_since.unwrap_or(at);
                (kept, Some(SourceFault { failing: failing.clone(), since }))
            }
        };
        places.states.insert(source.clone(), SourceState { version, since: at, fault });
        if let Resolution::Secret(resolved) = self.resolve(environment, reference, None)
            && let Some(places) = self.sources.get_mut(&key)
        {
            places.taken = Some(resolved.source);
        }
        let agents = self.agents_of(environment, Some(reference));
        Touched { agents, ..Touched::default() }
    }

    /// Forgets what places answered that are in no chain any more: of one ref, or of them all.
    pub(super) fn forget_sources(
        &mut self,
        environment: &EnvironmentName,
        only: Option<&SecretName>,
    ) {
        let known: Vec<SecretName> = match only {
            Some(name) => vec![name.clone()],
            None => {
                let of = self.sources.keys().filter(|(of, _)| of == environment);
                of.map(|(_, name)| name.clone()).collect()
            }
        };
        for name in known {
            let chain = self.chain(environment, &name);
            let key = (environment.clone(), name);
            if let Some(places) = self.sources.get_mut(&key) {
                let named = |source: &Source| chain.iter().any(|link| link.source == *source);
                places.states.retain(|source, _| named(source));
                places.taken = places.taken.take().filter(named);
                if places.states.is_empty() {
                    self.sources.remove(&key);
                }
            }
        }
    }
}

/// What is known of one place.
enum Answer {
    Has,
    Fails { failing: Failing, since: Timestamp },
}

fn resolved(link: &Link, first: &ProviderAlias, stale: Option<SourceFault>) -> Resolved {
    Resolved {
        secret: link.secret.clone().unwrap_or_else(|| unreachable!("it has a value")),
        fallback_of: (link.source.provider != *first).then(|| first.clone()),
        source: link.source.clone(),
        stale,
    }
}

/// A ref that is in the store alone comes to its secret whether or not that is there: what is wrong
/// with a secret is better said of the secret.
fn in_store(name: &SecretName, link: &Link, first: &ProviderAlias) -> Resolution {
    match &link.secret {
        Some(_) => Resolution::Secret(resolved(link, first, None)),
        None => Resolution::Unresolved {
            reason: "its target cannot be in the store: it is no name of a secret".to_owned(),
            fix: format!("name a secret of the store as the target of ref {name:?}"),
        },
    }
}

/// Says of every place that was asked why it has nothing; the fix is the first one's.
fn unresolved(
    name: &SecretName,
    failed: &[(&Link, Failing, Timestamp)],
    only: Option<&ProviderAlias>,
) -> Resolution {
    let said = |(link, failing, _): &(&Link, Failing, Timestamp)| {
        format!("provider {:?} {}", link.source.provider.as_str(), failing.message)
    };
    let reasons: Vec<String> = failed.iter().map(said).collect();
    match (failed.first(), only) {
        (Some((_, failing, _)), _) => {
            Resolution::Unresolved { reason: reasons.join("; "), fix: failing.fix.clone() }
        }
        (None, only) => Resolution::Unresolved {
            reason: format!(
                "provider {:?} is not among the sources of ref {name:?}",
                only.map(ProviderAlias::as_str).unwrap_or_default()
            ),
            fix: format!("secretref explain {name}"),
        },
    }
}
