//! Everything that learns of a set once it is in place: the socket, the hooks, and what is told
//! to the broker of both.

use super::place::Placed;
use crate::{
    sinks::{
        hooks::{HookedFile, Roster, effect},
        socket::{Item, MissingItem, Shelf},
    },
    snapshot::{Held, Snapshot, Target},
    witness::Witness,
};
use secretref_domain::{clock::Timestamp, name::SecretName};
use secretref_proto::v1::{
    Delivery, DeliveryWay, Evidence, MissingRef, ResultState, RotationEffect, SecretResult,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};
use tokio::sync::watch;

/// The keeper's end of them.
pub(super) struct Outlets {
    pub(super) witness: Witness,
    pub(super) shelf: watch::Sender<Arc<Shelf>>,
    pub(super) roster: watch::Sender<Arc<Roster>>,
    /// Where the socket is, where there is one.
    pub(super) socket: Option<PathBuf>,
    /// Whether there are files at all.
    pub(super) files: bool,
}

impl Outlets {
    /// A set is in place, as far as it could be put there.
    pub(super) fn placed(&self, snapshot: &Snapshot, placed: &[Placed], missing: &[MissingRef]) {
        let versions: BTreeMap<_, _> =
            placed.iter().map(|placed| (&placed.secret, placed.version)).collect();
        self.witness.keep_only(|name| versions.get(name).copied());
        self.shelf.send_modify(|shelf| {
            *shelf = Arc::new(Shelf {
                sequence: shelf.sequence + 1,
                revision: snapshot.revision(),
                received: shelf.received || is_received(snapshot),
                items: items(snapshot, placed),
                missing: missing.iter().map(missing_item).collect(),
            });
        });
        self.roster.send_replace(Arc::new(roster(snapshot, placed)));
    }

    /// Takes away at once what the set no longer has a value of; files follow as they can.
    pub(super) fn withdraw(&self, snapshot: &Snapshot) {
        let here =
            |item: &Item| snapshot.entry(&item.secret).is_some_and(|held| held.value.is_some());
        self.shelf.send_if_modified(|shelf| {
            if shelf.items.values().all(|item| item.value.is_none() || here(item)) {
                return false;
            }
            let mut items = shelf.items.clone();
            items.retain(|_, item| snapshot.entry(&item.secret).is_some());
            items.values_mut().filter(|item| !here(item)).for_each(|item| item.value = None);
            *shelf = Arc::new(Shelf {
                sequence: shelf.sequence + 1,
                items,
                missing: shelf.missing.clone(),
                ..**shelf
            });
            true
        });
    }

    /// Says of results what is known beyond "in place".
    pub(super) fn amend(&self, results: &mut [SecretResult]) {
        for result in results {
            if !self.files && result.evidence() == Evidence::Written {
                // Nothing was written: it is offered at the socket.
                result.set_evidence(Evidence::Unspecified);
            }
            self.witness.amend(result);
            result.deliveries.extend(self.socket_delivery(result));
        }
    }

    /// Waits until more is known of some secrets.
    pub(super) async fn news(&self) -> BTreeSet<SecretName> {
        self.witness.news().await
    }

    /// What the socket offers of a secret, and whether it was read.
    fn socket_delivery(&self, result: &SecretResult) -> Option<Delivery> {
        let place = self.socket.as_ref()?.to_string_lossy().into_owned();
        if !matches!(result.state(), ResultState::Applied | ResultState::Failed) {
            return None;
        }
        let shelf = self.shelf.borrow();
        let of_secret = || shelf.items.values().filter(|item| item.secret.as_str() == result.name);
        let item = of_secret().find(|item| item.value.is_some())?;
        let read = self.witness.read_at(&item.secret, item.version);
        let evidence = if read.is_some() { Evidence::Read } else { Evidence::Unspecified };
        let effect = of_secret().map(|item| item.effect).max_by_key(|effect| *effect as i32);
        Some(Delivery {
            way: DeliveryWay::Socket.into(),
            place,
            version: item.version.get(),
            evidence: evidence.into(),
            since_time: read.map(time).or(result.apply_time),
            effect: effect.unwrap_or(RotationEffect::Nothing).into(),
        })
    }
}

fn is_received(snapshot: &Snapshot) -> bool {
    !snapshot.epoch().is_empty()
}

fn items(
    snapshot: &Snapshot,
    placed: &[Placed],
) -> BTreeMap<secretref_domain::name::FileName, Item> {
    let mut items = BTreeMap::new();
    for (name, held) in snapshot.entries().filter(|(_, held)| held.value.is_none()) {
        for target in held.targets.iter() {
            items.insert(target.file.clone(), item(name, held, target, None));
        }
    }
    for placed in placed {
        let value = Some(Arc::clone(&placed.value));
        let item = item(&placed.secret, &placed.held, placed.target(), value);
        items.insert(placed.name().clone(), item);
    }
    items
}

fn item(
    name: &SecretName,
    held: &Held,
    target: &Target,
    value: Option<Arc<secretref_domain::value::SecretValue>>,
) -> Item {
    Item {
        secret: name.clone(),
        reference: target.reference.clone(),
        tool: target.tool.clone(),
        key: target.key.clone(),
        env_var: target.env_var.clone(),
        version: held.version,
        valid_until: held.expires_at,
        effect: effect::of(target.on_rotate.as_deref()),
        value,
    }
}

fn roster(snapshot: &Snapshot, placed: &[Placed]) -> Roster {
    let mut bound = BTreeSet::new();
    for (_, held) in snapshot.entries() {
        bound.extend(held.targets.iter().filter_map(|target| {
            Some((effect::callable(target.on_rotate.as_deref())?, target.file.clone()))
        }));
    }
    let hooked = |placed: &Placed| {
        // One file may stand at several tools, each with a hook of its own.
        let targets = placed.held.targets.iter().filter(|target| target.file == *placed.name());
        let hooks: BTreeSet<_> =
            targets.filter_map(|target| effect::callable(target.on_rotate.as_deref())).collect();
        let file = |hook| HookedFile {
            file: placed.name().clone(),
            secret: placed.secret.clone(),
            version: placed.version,
            hook,
            fingerprint: placed.fingerprint.clone(),
            serial: placed.serial,
        };
        hooks.into_iter().map(file).collect::<Vec<_>>()
    };
    Roster {
        received: is_received(snapshot),
        files: placed.iter().flat_map(hooked).collect(),
        bound,
    }
}

fn missing_item(missing: &MissingRef) -> MissingItem {
    MissingItem {
        reference: missing.secret_ref.clone(),
        reason: missing.reason.clone(),
        required: missing.required,
    }
}

fn time(at: Timestamp) -> prost_types::Timestamp {
    let micros = at.as_micros();
    let nanos = i32::try_from(micros.rem_euclid(1_000_000) * 1000).unwrap_or_default();
    prost_types::Timestamp { seconds: micros.div_euclid(1_000_000), nanos }
}
