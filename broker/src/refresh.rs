//! Asks providers, again and again, and has custody keep what they answer. An agent never waits for
//! a provider: what a provider holds is in the store before anybody needs it.
//!
//! ```text
//!            itinerary                        ask                    observe
//! custody ───────────────▶ which places are due ──▶ one task for each ──────▶ custody
//!                              ▲      ▲                 provider
//!          a commit, or a file ┘      └ its time: every POLL, sooner while it fails
//! ```
//! One provider that hangs holds up its own refs and no others. Every broker asks for itself; the
//! second to see a value finds that nothing differs, and nothing is written.

mod due;
mod folders;
mod open;

use crate::{
    custody::{Apply, Coming, Custody, CustodyError, Itinerary, Observation, Place, Seen, Switch},
    providers::{self, Found, Pending, Permits, Provider, ProviderError},
};
use due::Schedule;
use folders::Folders;
use futures_util::future::{join, join_all};
use open::{Group, Open};
use secretref_domain::{
    caller::Caller,
    change::Failing,
    clock::Timestamp,
    fault::Fault,
    name::{EnvironmentName, ProviderAlias},
    reference::ProviderSpec,
    value::SecretValue,
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

/// Asks providers. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Refresh(Arc<Shared>);

struct Shared {
    custody: Custody,
    permits: Arc<Permits>,
    every: Duration,
    open: Open,
}

impl Refresh {
    /// Asks every so often, within what the broker's configuration permits.
    #[must_use]
    pub fn new(custody: Custody, permits: Arc<Permits>, every: Duration) -> Self {
        let open = Open::default();
        Self(Arc::new(Shared { custody, permits, every, open }))
    }

    /// Asks the places that a manifest's refs would be in, so that it is applied together with
    /// what they hold.
    ///
    /// # Errors
    /// As [`Custody::itinerary_of`].
    pub async fn ahead_of(
        &self,
        caller: &Caller,
        apply: &Apply,
    ) -> Result<Vec<Observation>, CustodyError> {
        Ok(self.ask(self.0.custody.itinerary_of(caller, apply).await?).await)
    }

    /// Asks the places that agents come to with another environment.
    ///
    /// # Errors
    /// As [`Custody::itinerary_of_switch`].
    pub async fn ahead_of_switch(
        &self,
        caller: &Caller,
        switch: &Switch,
    ) -> Result<Vec<Observation>, CustodyError> {
        Ok(self.ask(self.0.custody.itinerary_of_switch(caller, switch).await?).await)
    }

    /// Asks places, all providers at once. There is one answer for each place.
    pub async fn ask(&self, itinerary: Itinerary) -> Vec<Observation> {
        let groups = grouped(&itinerary);
        let asked = groups.into_iter().map(|group| self.ask_one(group));
        join_all(asked).await.into_iter().flatten().collect()
    }

    /// Whether a provider can be asked, by asking it; its places are asked at the same time, and
    /// what they answer is kept.
    ///
    /// # Errors
    /// Why it cannot.
    pub async fn check(
        &self,
        environment: &EnvironmentName,
        alias: &ProviderAlias,
        spec: &ProviderSpec,
        itinerary: Itinerary,
    ) -> Result<String, ProviderError> {
        let places = async {
            let observations = self.ask(itinerary).await;
            if let Err(error) = self.0.custody.observe(observations).await {
                tracing::warn!(%error, "what a provider answered was not kept");
            }
        };
        join(self.check_alone(environment, alias, spec), places).await.0
    }

    async fn check_alone(
        &self,
        environment: &EnvironmentName,
        alias: &ProviderAlias,
        spec: &ProviderSpec,
    ) -> Result<String, ProviderError> {
        let group = Group {
            environment: environment.clone(),
            alias: alias.clone(),
            spec: spec.clone(),
            places: Vec::new(),
        };
        let provider = self.0.open.get(&self.0.custody, &self.0.permits, &group).await?;
        match timeout(ASK_TIME_MAX, provider.check()).await {
            Ok(answer) => answer,
            Err(_) => Err(too_slow(alias)),
        }
    }

    /// Writes a value to a place, which has it from then on.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn write(
        &self,
        place: &Place,
        value: &SecretValue,
        expires_at: Option<Timestamp>,
    ) -> Result<(), ProviderError> {
        let alias = &place.source.provider;
        let spec = self.0.custody.itinerary().providers.remove(alias);
        let spec = spec.ok_or_else(|| {
            let fix = format!("secretref explain {}", place.reference);
            ProviderError::new(Fault::Misconfigured, "is in no chain any more", fix)
        })?;
        let (environment, alias) = (place.environment.clone(), alias.clone());
        let group = Group { environment, alias, spec, places: Vec::new() };
        let provider = self.0.open.get(&self.0.custody, &self.0.permits, &group).await?;
        match timeout(ASK_TIME_MAX, provider.write(&within(place), value, expires_at)).await {
            Ok(answer) => answer,
            Err(_) => Err(too_slow(&place.source.provider)),
        }
    }

    /// Asks until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut revisions = self.0.custody.feed().revisions();
        let mut schedule = Schedule::new(self.0.every);
        let (mut folders, changes) = Folders::new();
        let mut asking: JoinSet<Vec<(Place, bool)>> = JoinSet::new();
        let mut itinerary = self.0.custody.itinerary();
        schedule.follow(&itinerary, Instant::now(), |place| self.0.custody.was_asked(place));
        self.watch(&mut folders, &itinerary);
        loop {
            for group in grouped(&schedule.take_due(&itinerary, Instant::now())) {
                let refresh = self.clone();
                asking.spawn(async move { refresh.round(group).await });
            }
            let next = schedule.next().unwrap_or_else(|| Instant::now() + self.0.every);
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep_until(next) => {}
                Some(answered) = asking.join_next() => {
                    for (place, well) in answered.unwrap_or_default() {
                        schedule.answered(place, well, Instant::now());
                    }
                }
                changed = revisions.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let before = std::mem::replace(&mut itinerary, self.0.custody.itinerary());
                    let now = Instant::now();
                    schedule.follow(&itinerary, now, |place| self.0.custody.was_asked(place));
                    schedule.hurry(
                        |place| {
                            let alias = &place.source.provider;
                            before.providers.get(alias) != itinerary.providers.get(alias)
                                || self.0.open.is_outdated(&self.0.custody, place)
                        },
                        now,
                    );
                    self.watch(&mut folders, &itinerary);
                }
                changed = changes.settled() => {
                    schedule.hurry(|place| folders.lies_in(place, &changed), Instant::now());
                }
            }
        }
    }

    /// One provider is asked, and what it answers is kept. Says of each place whether it had a
    /// value.
    async fn round(&self, group: Group) -> Vec<(Place, bool)> {
        let observations = self.ask_one(group).await;
        let told: Vec<_> =
            observations.iter().map(|it| (it.place.clone(), it.answer.is_ok())).collect();
        if let Err(error) = self.0.custody.observe(observations).await {
            tracing::warn!(%error, "what providers answered was not kept: they are asked again");
        }
        told
    }

    async fn ask_one(&self, group: Group) -> Vec<Observation> {
        let answers = match self.0.open.get(&self.0.custody, &self.0.permits, &group).await {
            Ok(provider) => fetch(&provider, &group).await,
            Err(error) => group.places.iter().map(|_| Err(error.clone())).collect(),
        };
        let observed = |(place, answer): (Place, Result<Found, ProviderError>)| Observation {
            place,
            answer: answer.map(seen).map_err(failing),
        };
        group.places.into_iter().zip(answers).map(observed).collect()
    }

    /// Watches the folders of the places that are files.
    fn watch(&self, folders: &mut Folders, itinerary: &Itinerary) {
        let folder = |place: &Place| {
            let spec = itinerary.providers.get(&place.source.provider)?;
            let folder = providers::folder(spec, &self.0.permits, &within(place))?;
            Some((place.clone(), folder))
        };
        folders.follow(itinerary.places.iter().filter_map(folder).collect());
    }
}

/// Bounded as a whole, whatever a provider's own limits are.
async fn fetch(provider: &Provider, group: &Group) -> Vec<Result<Found, ProviderError>> {
    let places: Vec<_> = group.places.iter().map(within).collect();
    match timeout(ASK_TIME_MAX, provider.fetch(&places)).await {
        Ok(answers) => answers,
        Err(_) => places.iter().map(|_| Err(too_slow(&group.alias))).collect(),
    }
}

fn within(place: &Place) -> providers::Place {
    providers::Place {
        reference: place.reference.clone(),
        target: place.source.target.clone(),
        path: place.source.path.clone(),
    }
}

fn seen(found: Found) -> Seen {
    let Found { value, expires_at, created_at, version, pending } = found;
    let coming = |Pending { value, expires_at, version }| Coming { value, expires_at, version };
    let pending = pending.map(coming);
    Seen { value, expires_at, created_at, version, pending }
}

fn failing(error: ProviderError) -> Failing {
    let ProviderError { fault, message, fix } = error;
    Failing { fault, message, fix }
}

fn too_slow(alias: &ProviderAlias) -> ProviderError {
    let seconds = ASK_TIME_MAX.as_secs();
    let message = format!("did not answer within {seconds} s");
    ProviderError::new(Fault::TimedOut, message, format!("secretref provider check {alias}"))
}

/// The places of each provider. A provider has secrets of its own in each environment, so it is
/// another one in each.
fn grouped(itinerary: &Itinerary) -> Vec<Group> {
    let mut groups: BTreeMap<(EnvironmentName, ProviderAlias), Group> = BTreeMap::new();
    for place in &itinerary.places {
        let alias = &place.source.provider;
        let Some(spec) = itinerary.providers.get(alias) else { continue };
        let group = groups.entry((place.environment.clone(), alias.clone())).or_insert_with(|| {
            let (environment, alias, spec) =
                (place.environment.clone(), alias.clone(), spec.clone());
            Group { environment, alias, spec, places: Vec::new() }
        });
        group.places.push(place.clone());
    }
    groups.into_values().collect()
}

/// How long one provider may take for all its places.
const ASK_TIME_MAX: Duration = Duration::from_secs(8);
