//! Which broker does what only one may do at a time, and which instances hold a stream of any.

use super::{
    Store, StoreError,
    detached::detached,
    engine::{Cell, Engine},
    fault, on_engine, sql,
    verbs::{StoreOn, acquire, id_of, time_of},
};
use secretref_domain::{
    clock::Timestamp,
    id::{BrokerId, InstanceId},
};
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

impl Store {
    /// Takes a lease by its name, or prolongs it; says whether it is the holder's until then.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn take_lease(
        &self,
        name: &str,
        holder: BrokerId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        on_engine!(Self, self, engine => engine.take_lease(name, holder, now, until).await)
    }

    /// Gives a lease back, where it is the holder's.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn drop_lease(&self, name: &str, holder: BrokerId) -> Result<(), StoreError> {
        on_engine!(Self, self, engine => engine.drop_lease(name, holder).await)
    }

    /// Says who holds a stream of a broker: 16 bytes for each instance, 65,536 at most.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn set_presence(
        &self,
        broker: BrokerId,
        at: Timestamp,
        instances: Vec<u8>,
    ) -> Result<(), StoreError> {
        on_engine!(Self, self, engine => engine.set_presence(broker, at, instances).await)
    }

    /// Who held a stream of a broker when it said so last, and when that was.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn presence_of(
        &self,
        broker: BrokerId,
    ) -> Result<Option<(Timestamp, Vec<InstanceId>)>, StoreError> {
        on_engine!(Self, self, engine => engine.presence_of(broker).await)
    }

    /// Who holds a stream of other brokers, as they said since a time.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn presence_elsewhere(
        &self,
        broker: BrokerId,
        since: Timestamp,
    ) -> Result<HashSet<InstanceId>, StoreError> {
        on_engine!(Self, self, engine => engine.presence_elsewhere(broker, since).await)
    }

    /// Says when an instance held a stream last.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn set_contact(&self, instance: InstanceId, at: Timestamp) -> Result<(), StoreError> {
        on_engine!(Self, self, engine => engine.set_contact(instance, at).await)
    }

    /// When each instance held a stream of any broker last.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn contacts(&self) -> Result<HashMap<InstanceId, Timestamp>, StoreError> {
        on_engine!(Self, self, engine => engine.contacts().await)
    }

    /// Forgets contacts from before a time; returns how many.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn forget_contacts(&self, before: Timestamp) -> Result<u64, StoreError> {
        on_engine!(Self, self, engine => engine.forget_contacts(before).await)
    }
}

impl<E: Engine> StoreOn<E> {
    async fn take_lease(
        &self,
        name: &str,
        holder: BrokerId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let pool = self.writers.clone();
        let cells =
            vec![name.into(), holder.0.into(), now.as_micros().into(), until.as_micros().into()];
        detached(async move {
            let mut connection = acquire(&pool).await?;
            let rows = E::rows(&mut connection, E::TAKE_LEASE, cells).await;
            Ok(!rows.map_err(fault::of_commit)?.is_empty())
        })
        .await
    }

    async fn drop_lease(&self, name: &str, holder: BrokerId) -> Result<(), StoreError> {
        self.change(sql::DROP_LEASE, vec![name.into(), holder.0.into()]).await.map(drop)
    }

    async fn set_presence(
        &self,
        broker: BrokerId,
        at: Timestamp,
        instances: Vec<u8>,
    ) -> Result<(), StoreError> {
        let cells = vec![broker.0.into(), at.as_micros().into(), Cell::Bytes(instances)];
        self.change(sql::SET_PRESENCE, cells).await.map(drop)
    }

    async fn set_contact(&self, instance: InstanceId, at: Timestamp) -> Result<(), StoreError> {
        self.change(sql::SET_CONTACT, vec![instance.0.into(), at.as_micros().into()])
            .await
            .map(drop)
    }

    async fn presence_of(
        &self,
        broker: BrokerId,
    ) -> Result<Option<(Timestamp, Vec<InstanceId>)>, StoreError> {
        let rows = self.ask(sql::PRESENCE_OF, vec![broker.0.into()]).await?;
        rows.first().map(presence_in::<E>).transpose()
    }

    async fn presence_elsewhere(
        &self,
        broker: BrokerId,
        since: Timestamp,
    ) -> Result<HashSet<InstanceId>, StoreError> {
        let cells = vec![broker.0.into(), since.as_micros().into()];
        let mut elsewhere = HashSet::new();
        for row in &self.ask(sql::PRESENCE_ELSEWHERE, cells).await? {
            elsewhere.extend(presence_in::<E>(row)?.1);
        }
        Ok(elsewhere)
    }

    async fn contacts(&self) -> Result<HashMap<InstanceId, Timestamp>, StoreError> {
        let mut contacts = HashMap::new();
        for row in &self.ask(sql::CONTACTS, vec![]).await? {
            contacts.insert(InstanceId(id_of::<E>(row, 0)?), time_of::<E>(row, 1)?);
        }
        for row in &self.ask(sql::PRESENCE, vec![]).await? {
            let (at, instances) = presence_in::<E>(row)?;
            for instance in instances {
                let last = contacts.entry(instance).or_insert(at);
                *last = at.max(*last);
            }
        }
        Ok(contacts)
    }

    async fn forget_contacts(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.change(sql::FORGET_CONTACTS, vec![before.as_micros().into()]).await
    }
}

/// A row of when, and of instances of 16 bytes each.
fn presence_in<E: Engine>(row: &E::Row) -> Result<(Timestamp, Vec<InstanceId>), StoreError> {
    let instances = E::bytes(row, 1).map_err(fault::before_commit)?;
    let ids = instances.chunks_exact(16).filter_map(|id| Uuid::from_slice(id).ok());
    Ok((time_of::<E>(row, 0)?, ids.map(InstanceId).collect()))
}
