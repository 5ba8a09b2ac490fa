//! What stood when it was looked last: of each condition people are told when it begins and when it
//! is over. Pure: the time is an argument.

use secretref_domain::{
    alert::{Alert, Notice},
    clock::Timestamp,
};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// What people were told of and may not be over.
#[derive(Default)]
pub(super) struct Edges {
    standing: BTreeMap<Alert, Standing>,
}

struct Standing {
    id: Uuid,
    /// Since when it is not found any more.
    gone_since: Option<Timestamp>,
}

impl Edges {
    /// Takes all that stands at a time, and says what to tell people. What is gone is told of once
    /// it has been gone for `quiet_seconds`: what comes again before then was never over.
    pub(super) fn look(
        &mut self,
        found: BTreeSet<Alert>,
        now: Timestamp,
        quiet_seconds: i64,
    ) -> Vec<Notice> {
        let mut told = Vec::new();
        let found: BTreeMap<Alert, Alert> =
            found.into_iter().map(|alert| (alert.unadvised(), alert)).collect();
        self.standing.retain(|alert, standing| {
            if found.contains_key(alert) {
                standing.gone_since = None;
                return true;
            }
            let since = *standing.gone_since.get_or_insert(now);
            let stays = now < since.plus_seconds(quiet_seconds);
            if !stays {
                let alert = alert.clone();
                told.push(Notice { id: standing.id, at: since, alert, over: true, more: 0 });
            }
            stays
        });
        for (key, alert) in found {
            if self.standing.len() >= STANDING_MAX {
                break;
            }
            self.standing.entry(key).or_insert_with(|| {
                let id = Uuid::now_v7();
                told.push(Notice { id, at: now, alert, over: false, more: 0 });
                Standing { id, gone_since: None }
            });
        }
        told
    }

    /// When something that is gone is to be told of as over, where it does not come again.
    pub(super) fn next(&self, quiet_seconds: i64) -> Option<Timestamp> {
        let gone = self.standing.values().filter_map(|it| it.gone_since);
        gone.min().map(|since| since.plus_seconds(quiet_seconds))
    }
}

/// Conditions that are remembered; more are found again when there is room.
const STANDING_MAX: usize = 10_000;

#[cfg(test)]
mod tests;
