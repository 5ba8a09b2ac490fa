//! What became of secrets, as the broker is told it.

use super::{Keeper, Results, Waiting};
use crate::{
    app::deliveries::Ways,
    config::Choice,
    link::report::{applied, by, deferred, failed, wiped},
    sinks::process::Has,
    snapshot::Snapshot,
    status,
};
use secretref_domain::{name::SecretName, version::Version};
use secretref_proto::v1::{Evidence, SecretResult};
use std::collections::{BTreeMap, BTreeSet};

impl Keeper {
    /// What the program has now.
    pub(super) fn has(&mut self) -> Option<Has> {
        let (program, _) = self.program.as_mut()?;
        program.has.borrow_and_update().clone()
    }

    /// What became of what one manifest changed: `snapshot` is in place of what it `held`.
    pub(super) fn results(
        &self,
        snapshot: &Snapshot,
        held: &Snapshot,
        waiting: &Waiting,
        failing: &BTreeMap<SecretName, String>,
    ) -> Results {
        let now = self.clock.now();
        let mut results = Vec::with_capacity(waiting.changed.len() + waiting.removed.len());
        for (name, version) in &waiting.changed {
            // A newer manifest may have taken its place before it was put there.
            if held.entry(name).is_some_and(|held| held.version == *version) {
                results.push(match failing.get(name) {
                    Some(why) => by(failed(name, *version, why, now), self.ways(snapshot).of(name)),
                    None => self.result(snapshot, name, *version),
                });
            }
        }
        for (name, version) in &waiting.removed {
            if held.entry(name).is_none() {
                results.push(match failing.get(name) {
                    Some(why) => failed(name, *version, why, now),
                    None => wiped(name, *version, now),
                });
            }
        }
        results
    }

    /// What failed before and is in place now, what fails because of another, and what lapsed,
    /// nobody waits for.
    pub(super) fn tell_news(
        &self,
        snapshot: &Snapshot,
        failing: &BTreeMap<SecretName, String>,
        answered: &BTreeSet<SecretName>,
    ) {
        let recovered = self.failed.keys().filter(|name| !failing.contains_key(*name));
        let recovered = recovered.filter_map(|name| {
            let held = snapshot.entry(name)?;
            held.value.is_some().then(|| self.result(snapshot, name, held.version))
        });
        let before = self.status.borrow().applied.clone();
        let lapsed = snapshot.entries().filter(|(name, held)| {
            held.value.is_none() && before.contains_key(*name) && !failing.contains_key(*name)
        });
        let lapsed = lapsed.map(|(name, held)| self.result(snapshot, name, held.version));
        let now = self.clock.now();
        let fails = failing
            .iter()
            .filter(|(name, why)| !answered.contains(*name) && self.failed.get(*name) != Some(why));
        let fails = fails
            .filter_map(|(name, why)| Some(failed(name, snapshot.entry(name)?.version, why, now)));
        self.send_news(recovered.chain(lapsed).chain(fails).collect());
    }

    /// More is known of these than that they are in place.
    pub(super) fn tell_of(&self, names: &BTreeSet<SecretName>) {
        let there = self.status.borrow().applied.clone();
        let names = names.iter().filter(|name| !self.failed.contains_key(*name));
        let results = names.filter_map(|name| {
            let version = *there.get(name)?;
            let held = self.held.entry(name).filter(|held| held.version == version)?;
            held.value.is_some().then(|| self.result(&self.held, name, version))
        });
        self.send_news(results.collect());
    }

    /// The program was started or ended by itself: what its environment has is another thing.
    pub(super) fn tell_program_news(&mut self) {
        let has = self.has();
        if has == self.reported {
            return;
        }
        let before = std::mem::replace(&mut self.reported, has);
        let held = std::sync::Arc::clone(&self.held);
        let concerned = |name: &SecretName| {
            let in_either = [&before, &self.reported];
            in_either
                .into_iter()
                .flatten()
                .any(|has| has.variables.values().any(|(secret, _)| secret == name))
        };
        let news = held.entries().filter(|(name, held)| {
            held.value.is_some() && !self.failed.contains_key(*name) && concerned(name)
        });
        self.send_news(news.map(|(name, it)| self.result(&held, name, it.version)).collect());
    }

    fn send_news(&self, mut news: Results) {
        self.outlets.amend(&mut news);
        if !news.is_empty() && self.desk.news.try_send(news).is_err() {
            tracing::debug!("nobody is connected who could be told what changed");
        }
    }

    /// What became of a secret that did not fail.
    fn result(&self, snapshot: &Snapshot, name: &SecretName, version: Version) -> SecretResult {
        let (now, ways) = (self.clock.now(), self.ways(snapshot));
        if snapshot.entry(name).is_none_or(|held| held.value.is_none()) {
            return by(wiped(name, version, now), ways.of(name));
        }
        let result = match ways.lag(name) {
            Some(why) => deferred(name, version, why, now),
            None if ways.is_gated() => applied(name, version, Evidence::Gated, now),
            None => applied(name, version, Evidence::Written, now),
        };
        by(result, ways.of(name))
    }

    /// Which credentials the program gets, where one is to run at all.
    pub(super) fn choice(&self) -> Option<&Choice> {
        let (_, choice) = self.program.as_ref()?;
        (self.status.borrow().program != status::Program::None).then_some(choice)
    }

    fn ways<'a>(&'a self, snapshot: &'a Snapshot) -> Ways<'a> {
        Ways { snapshot, there: &self.there, has: self.reported.as_ref(), choice: self.choice() }
    }
}
