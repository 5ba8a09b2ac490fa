//! What providers hold: which places have to be asked, and what becomes of their answers.

use super::{
    Body, Custody, CustodyError,
    expiry::own_expiry,
    plan::{Committed, Effects, Ground, Plan, Planned, event},
    secrets::{NewVersion, Rotated, secret_event},
};
use secretref_domain::{
    audit::Event,
    caller::Caller,
    change::{Change, Failing, Observed, Origin, SecretMetadata},
    clock::Timestamp,
    fault::Fault,
    id::{Digest, SecretId},
    ledger::{Ledger, Link, Resolution, Secret},
    limit::SECRETS_MAX,
    name::{EnvironmentName, ProviderAlias, SecretName},
    policy::Action,
    reference::{ProviderKind, ProviderSpec, Source},
    value::SecretValue,
    version::{Ahead, Version},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// A place of a ref's chain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Environment of the ref.
    pub environment: EnvironmentName,
    /// The ref.
    pub reference: SecretName,
    /// The place.
    pub source: Source,
}

/// What a place answered.
pub struct Observation {
    /// The place.
    pub place: Place,
    /// What it holds, or why it has nothing.
    pub answer: Result<Seen, Failing>,
}

/// What a place holds.
pub struct Seen {
    /// The value.
    pub value: SecretValue,
    /// When the value stops being valid, where the provider says so; else it is read from the
    /// value, where that says so itself.
    pub expires_at: Option<Timestamp>,
    /// When the provider says that it was made.
    pub created_at: Option<Timestamp>,
    /// The provider's own word for the version.
    pub version: String,
    /// What is to come after it.
    pub pending: Ahead<Coming>,
}

/// What a place is about to hold.
pub struct Coming {
    /// The value.
    pub value: SecretValue,
    /// When the value stops being valid, where the provider says so.
    pub expires_at: Option<Timestamp>,
    /// The provider's own word for the version.
    pub version: String,
}

/// The places that are to be asked, and the providers that they are in.
#[derive(Debug, Default)]
pub struct Itinerary {
    /// The places.
    pub places: BTreeSet<Place>,
    /// Settings of the providers, by alias. A provider without any has those of its type.
    pub providers: BTreeMap<ProviderAlias, ProviderSpec>,
}

impl Observation {
    /// With the end that the value says of itself, where its provider says none. One that is past
    /// is kept as well: it is what the provider has.
    fn with_own_expiry(mut self) -> Self {
        if let Ok(seen) = &mut self.answer {
            let own = || own_expiry(&seen.value).map(|own| own.at);
            seen.expires_at = seen.expires_at.or_else(own);
        }
        self
    }
}

impl Itinerary {
    /// Every place of every ref that is in a provider. Refs that only agents and channels name are
    /// refs of the active provider.
    pub(super) fn of(ledger: &Ledger) -> Self {
        let mut itinerary = Self::default();
        for environment in ledger.environments() {
            let named = ledger.references(&environment).map(|(name, _)| name.clone());
            let agents = ledger.agents_after(&environment, None);
            let bound = agents.flat_map(|agent| {
                let credentials = agent.effective().credentials();
                credentials.map(|(_, _, it)| it.secret_ref.clone()).collect::<Vec<_>>()
            });
            let channels = ledger.channels(&environment);
            let addresses = channels.filter_map(|(_, channel)| channel.secret_ref.clone());
            for reference in named.chain(bound).chain(addresses).collect::<BTreeSet<_>>() {
                itinerary.add(ledger, &environment, &reference);
            }
        }
        itinerary
    }

    pub(super) fn add(
        &mut self,
        ledger: &Ledger,
        environment: &EnvironmentName,
        reference: &SecretName,
    ) {
        for Link { source, kind, .. } in ledger.chain(environment, reference) {
            let Some(kind) = kind.filter(|kind| *kind != ProviderKind::Store) else { continue };
            let alias = source.provider.clone();
            self.providers.entry(alias.clone()).or_insert_with(|| {
                let bare = || ProviderSpec { kind, settings: serde_json::Map::new() };
                ledger.provider(&alias).cloned().unwrap_or_else(bare)
            });
            let (environment, reference) = (environment.clone(), reference.clone());
            self.places.insert(Place { environment, reference, source });
        }
    }
}

impl Custody {
    /// Every place that has to be asked from time to time.
    #[must_use]
    pub fn itinerary(&self) -> Itinerary {
        Itinerary::of(&self.shared.ledger())
    }

    /// Whether a place has been asked, now or before the broker was started.
    #[must_use]
    pub fn was_asked(&self, place: &Place) -> bool {
        let Place { environment, reference, source } = place;
        self.shared.ledger().source_state(environment, reference, source).is_some()
    }

    /// Keeps what places answered: a value that differs from the last becomes a new version of the
    /// place's copy; a change of what a place answers is noted. Where nothing differs nothing is
    /// written.
    ///
    /// # Errors
    /// [`CustodyError`]; nothing is kept then.
    pub async fn observe(&self, observations: Vec<Observation>) -> Result<(), CustodyError> {
        let caller = Caller::Broker { id: self.broker() };
        self.permit(&caller, Action::SourceObserve, || event(&caller, "ref.observe")).await?;
        let fresh: Vec<Observation> = {
            let ledger = self.shared.ledger();
            let differs = |it: &Observation| self.differs(&ledger, it);
            let observations = observations.into_iter().map(Observation::with_own_expiry);
            observations.filter(differs).collect()
        };
        if fresh.is_empty() {
            return Ok(());
        }
        let custody = self.clone();
        let plan: Plan<()> = Box::new(move |ground| {
            let effects = custody.plan_observed(ground, &caller, fresh)?;
            Ok(Planned { effects, answer: () })
        });
        let _: Committed<()> = self.writer.change(None, plan).await?;
        Ok(())
    }

    /// The value of a secret that the broker needs itself, such as a token for a provider; the
    /// read is recorded before the value is there.
    ///
    /// # Errors
    /// [`CustodyError::NotFound`] where the ref comes to nothing.
    pub async fn own_secret(
        &self,
        environment: &EnvironmentName,
        reference: &SecretName,
        why: &str,
    ) -> Result<Arc<Body>, CustodyError> {
        let caller = Caller::Broker { id: self.broker() };
        let mut record = secret_event(&caller, "secret.use", environment, reference);
        self.permit(&caller, Action::OwnSecretRead, || record.clone()).await?;
        let (id, version) = self.own_version(environment, reference)?;
        let body = self.body(&caller, id, version).await?;
        (record.object_id, record.version) = (id.0, version.get());
        why.clone_into(&mut record.reason);
        self.writer.note(vec![record]).await?;
        Ok(body)
    }

    /// Identity and version of what a ref comes to now.
    ///
    /// # Errors
    /// [`CustodyError::NotFound`] where it comes to nothing.
    pub fn own_version(
        &self,
        environment: &EnvironmentName,
        reference: &SecretName,
    ) -> Result<(SecretId, Version), CustodyError> {
        let ledger = self.shared.ledger();
        let nothing = |fix: String| CustodyError::NotFound {
            kind: "value of ref",
            name: reference.to_string(),
            fix,
        };
        // One that no manifest places is the store's own, whatever the active provider is: what
        // lets the broker into a provider is hardly inside of it.
        let placed = ledger.reference(environment, reference).is_some();
        let name = match ledger.resolve(environment, reference, None) {
            _ if !placed && ledger.secret_named(environment, reference).is_some() => {
                reference.clone()
            }
            Resolution::Secret(resolved) => resolved.secret,
            Resolution::Unresolved { fix, .. } => return Err(nothing(fix)),
        };
        let put = || nothing(format!("secretref put {name} --environment {environment}"));
        let secret = ledger.secret_named(environment, &name).ok_or_else(put)?;
        let live = secret.versions.get(&secret.current).filter(|it| !it.destroyed);
        match live {
            Some(_) if secret.deleted_at.is_none() => Ok((secret.id, secret.current)),
            _ => Err(put()),
        }
    }

    /// Whether an answer says anything new.
    fn differs(&self, ledger: &Ledger, observation: &Observation) -> bool {
        let Place { environment, reference, source } = &observation.place;
        // While a copy is rotated its provider is written by the broker itself.
        let copy = copy_of(ledger, &observation.place);
        let secret = copy.and_then(|copy| ledger.secret_named(environment, &copy));
        if secret.is_some_and(|secret| ledger.rotation_of(secret.id).is_some()) {
            return false;
        }
        let state = ledger.source_state(environment, reference, source);
        match (&observation.answer, state) {
            (Err(failing), Some(state)) => {
                // The words of a failure may differ each time; its kind is what counts. Those of
                // settings that are not right say which, until they are.
                state.fault.as_ref().is_none_or(|it| {
                    let (before, now) = (&it.failing, failing);
                    let reworded =
                        now.fault == Fault::Misconfigured && before.message != now.message;
                    before.fault != now.fault || reworded
                })
            }
            (Ok(seen), Some(state)) => {
                let copy = copy_of(ledger, &observation.place);
                let held =
                    copy.and_then(|name| self.kept_version(ledger, environment, &name, seen));
                let copy = copy_of(ledger, &observation.place);
                let secret = copy.and_then(|copy| ledger.secret_named(environment, &copy));
                let staged = match &seen.pending {
                    Ahead::Unknown => true,
                    Ahead::Nothing => secret.is_none_or(|it| staged(it).next().is_none()),
                    Ahead::Is(Coming { value, .. }) => {
                        secret.is_some_and(|it| self.version_with(it, environment, value).is_some())
                    }
                };
                state.fault.is_some() || held.is_none() || held != state.version || !staged
            }
            (_, None) => true,
        }
    }

    /// The version of a copy that is current and has this very value.
    fn kept_version(
        &self,
        ledger: &Ledger,
        environment: &EnvironmentName,
        copy: &SecretName,
        seen: &Seen,
    ) -> Option<Version> {
        let secret = ledger.secret_named(environment, copy)?;
        let version = secret.versions.get(&secret.current)?;
        let mark = Digest(self.shared.keyring().mark_value(environment, &seen.value));
        let same = version.traits.mark == Some(mark) && version.expires_at == seen.expires_at;
        (same && secret.deleted_at.is_none() && !version.destroyed).then_some(secret.current)
    }

    /// The version of a secret that has this value and is not shredded.
    fn version_with(
        &self,
        secret: &Secret,
        environment: &EnvironmentName,
        value: &SecretValue,
    ) -> Option<Version> {
        let mark = Some(Digest(self.shared.keyring().mark_value(environment, value)));
        let mut versions = secret.versions.iter().rev();
        let found = versions.find(|(_, it)| it.traits.mark == mark && !it.destroyed);
        found.map(|(version, _)| *version)
    }

    /// The staged version of a place's copy that has the value which is current there now.
    fn staged_version(
        &self,
        ledger: &Ledger,
        place: &Place,
        seen: &Seen,
    ) -> Option<(SecretId, Version)> {
        let copy = copy_of(ledger, place)?;
        let secret = ledger.secret_named(&place.environment, &copy)?;
        let version = self.version_with(secret, &place.environment, &seen.value)?;
        let found = secret.versions.get(&version)?;
        let same = found.staged && found.expires_at == seen.expires_at;
        (same && secret.deleted_at.is_none()).then_some((secret.id, version))
    }

    /// Seals what is to come at a place as a version that is not current, unless it is known.
    fn plan_pending(
        &self,
        ground: &Ground<'_>,
        caller: &Caller,
        (place, copy): (&Place, &SecretName),
        pending: Ahead<Coming>,
        effects: &mut Effects,
    ) -> Result<(), CustodyError> {
        let Place { environment, source, .. } = place;
        let Some(secret) = ground.ledger.secret_named(environment, copy) else { return Ok(()) };
        let coming = match pending {
            Ahead::Unknown => return Ok(()),
            Ahead::Nothing => None,
            Ahead::Is(Coming { value, .. })
                if self.version_with(secret, environment, &value).is_some() =>
            {
                return Ok(());
            }
            Ahead::Is(coming) => Some(coming),
        };
        // Only one is to come: what was to come before was given up.
        for version in staged(secret) {
            let secret = secret.id;
            effects.changes.push(Change::VersionDestroyed { secret, version });
            effects.shredded.push((secret, version));
            let mut record = secret_event(caller, "secret.destroy", environment, copy);
            (record.object_id, record.version) = (secret.0, version.get());
            record.reason = format!("provider {} has given it up", source.provider);
            effects.events.push(record);
        }
        let Some(Coming { value, expires_at, version }) = coming else { return Ok(()) };
        let expires_at = expires_at.or_else(|| own_expiry(&value).map(|own| own.at));
        let new = NewVersion {
            secret: Some(secret),
            environment: environment.clone(),
            name: copy.clone(),
            value,
            expires_at,
            activated_from: None,
            metadata: metadata(ground.ledger, place),
            origin: Some(Origin { source: source.clone(), version, created_at: None }),
            rotated: Some(Rotated { handle: None }),
        };
        let mut record = secret_event(caller, "secret.stage", environment, copy);
        record.reason = format!("provider {} is about to have another value", source.provider);
        effects.extend(self.plan_version(ground, new, record)?.effects);
        Ok(())
    }

    /// What comes of answers. An answer of a place that is in no chain any more is left out.
    pub(super) fn plan_observed(
        &self,
        ground: &Ground<'_>,
        caller: &Caller,
        observations: Vec<Observation>,
    ) -> Result<Effects, CustodyError> {
        let mut effects = Effects::default();
        let mut room = BTreeMap::new();
        for observation in observations.into_iter().map(Observation::with_own_expiry) {
            let Place { environment, .. } = &observation.place;
            let left = room.entry(environment.clone()).or_insert_with(|| {
                SECRETS_MAX.saturating_sub(ground.ledger.secret_count(environment))
            });
            self.plan_one(ground, caller, observation, left, &mut effects)?;
        }
        Ok(effects)
    }

    fn plan_one(
        &self,
        ground: &Ground<'_>,
        caller: &Caller,
        observation: Observation,
        room: &mut usize,
        effects: &mut Effects,
    ) -> Result<(), CustodyError> {
        let Some(copy) = copy_of(ground.ledger, &observation.place) else { return Ok(()) };
        if !self.differs(ground.ledger, &observation) {
            return Ok(());
        }
        let Observation { place, answer } = observation;
        let Place { environment, reference, source } = &place;
        let known = ground.ledger.secret_named(environment, &copy);
        let observed = match answer {
            Err(failing) => Observed::Fails(failing),
            Ok(_) if known.is_none() && *room == 0 => {
                return Err(CustodyError::Limit { what: "secrets".into(), limit: SECRETS_MAX });
            }
            Ok(seen) => match self.kept_version(ground.ledger, environment, &copy, &seen) {
                Some(version) => {
                    self.plan_pending(ground, caller, (&place, &copy), seen.pending, effects)?;
                    Observed::Holds(version)
                }
                None if let Some(staged) = self.staged_version(ground.ledger, &place, &seen) => {
                    // What was to come has come: agents that hold it already keep it.
                    let (secret, version) = staged;
                    effects.changes.push(Change::VersionPromoted { secret, version });
                    let mut record = secret_event(caller, "secret.promote", environment, &copy);
                    (record.object_id, record.version) = (secret.0, version.get());
                    record.reason = format!("provider {} has it as current", source.provider);
                    effects.events.push(record);
                    Observed::Holds(version)
                }
                None => {
                    *room -= usize::from(known.is_none());
                    let new = NewVersion {
                        secret: known,
                        environment: environment.clone(),
                        name: copy.clone(),
                        value: seen.value,
                        expires_at: seen.expires_at,
                        activated_from: None,
                        metadata: metadata(ground.ledger, &place),
                        origin: Some(Origin {
                            source: source.clone(),
                            version: seen.version,
                            created_at: seen.created_at,
                        }),
                        rotated: None,
                    };
                    let mut record = secret_event(caller, "secret.copy", environment, &copy);
                    record.reason = format!("provider {} has another value", source.provider);
                    let planned = self.plan_version(ground, new, record)?;
                    effects.extend(planned.effects);
                    Observed::Holds(planned.answer.1.version)
                }
            },
        };
        effects.events.push(noted(caller, &place, &observed));
        effects.changes.push(Change::SourceObserved {
            environment: environment.clone(),
            reference: reference.clone(),
            source: source.clone(),
            observed,
        });
        Ok(())
    }
}

/// The versions of a secret that are to come.
fn staged(secret: &Secret) -> impl Iterator<Item = Version> {
    let versions = secret.versions.iter().filter(|(_, it)| it.staged && !it.destroyed);
    versions.map(|(version, _)| *version)
}

/// The name that a place's value is kept under; none where the place is in no chain any more.
fn copy_of(ledger: &Ledger, place: &Place) -> Option<SecretName> {
    let chain = ledger.chain(&place.environment, &place.reference);
    let link = chain.into_iter().find(|link| link.source == place.source)?;
    link.secret.filter(|_| link.kind != Some(ProviderKind::Store))
}

/// What is said of a copy: what its ref says.
fn metadata(ledger: &Ledger, place: &Place) -> SecretMetadata {
    let reference = ledger.reference(&place.environment, &place.reference);
    SecretMetadata {
        service: reference.and_then(|it| it.service.clone()).unwrap_or_default(),
        labels: BTreeMap::new(),
        deprecation_date: reference.and_then(|it| it.deprecation_date),
    }
}

fn noted(caller: &Caller, place: &Place, observed: &Observed) -> Event {
    let Place { environment, reference, source } = place;
    let mut record = event(caller, "ref.source");
    (record.environment, record.object) = (environment.to_string(), reference.to_string());
    record.object_kind = "ref";
    record.reason = match observed {
        Observed::Holds(version) => {
            record.version = version.get();
            format!("provider {} answers", source.provider)
        }
        Observed::Fails(failing) => {
            format!("provider {} fails: {}: {}", source.provider, failing.fault, failing.message)
        }
    };
    record
}
