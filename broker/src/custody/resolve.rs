//! Values for an agent's own program, by the names of refs: no more than its sidecar would be sent,
//! and on the record before any leaves. What it may not have is on the record too.

use super::{Admission, Body, Custody, CustodyError, plan::event};
use secretref_domain::{
    audit::{Decision, Event},
    caller::Caller,
    exec_protocol::{DENIED, NOT_FOUND, UNAVAILABLE},
    id::SecretId,
    ledger::Desired,
    version::Version,
};
use std::{collections::BTreeSet, sync::Arc};

/// What became of a name.
pub enum Resolved {
    /// It has a value.
    Value {
        /// Its version.
        version: Version,
        /// The value.
        body: Arc<Body>,
    },
    /// It has none.
    Refused(Refused),
}

/// Why a name has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// For programs.
    pub code: &'static str,
    /// For people.
    pub message: String,
}

/// What an agent is owed under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Owed {
    Value(SecretId, Version),
    Nothing(Refused),
}

impl Custody {
    /// The values of refs, as they are when they leave.
    ///
    /// # Errors
    /// [`CustodyError::NotAdmitted`], or [`CustodyError::Store`] where nothing can be recorded.
    pub async fn resolve(
        &self,
        admission: &Admission,
        ids: &[String],
    ) -> Result<Vec<Resolved>, CustodyError> {
        let mut owed = self.owed(admission, ids)?;
        self.note_refused(admission, ids, &owed).await?;
        let mut resolved = Vec::with_capacity(ids.len());
        for _ in 0..ROUNDS_MAX {
            let values = owed.iter().filter_map(|owed| match owed {
                Owed::Value(secret, version) => Some((*secret, *version)),
                Owed::Nothing(_) => None,
            });
            let values: BTreeSet<_> = values.collect();
            if !values.is_empty() {
                let values: Vec<_> = values.into_iter().collect();
                Box::pin(self.record(admission, &values)).await?;
            }
            resolved = self.load(&owed).await?;
            // Recording and loading take time: what holds is what is so now.
            let now = self.owed(admission, ids)?;
            if now == owed {
                return Ok(resolved);
            }
            owed = now;
        }
        // Somebody changes them all the while: what changed last is left out.
        let now = self.owed(admission, ids)?;
        let settled =
            resolved.into_iter().zip(&now).map(|(resolved, now)| match (&resolved, now) {
                (Resolved::Value { version, .. }, Owed::Value(_, is)) if version == is => resolved,
                (_, Owed::Nothing(refused)) => Resolved::Refused(refused.clone()),
                _ => Resolved::Refused(unavailable("it changes just now; ask again")),
            });
        Ok(settled.collect())
    }

    /// Records what a sidecar refused to a program that asked for it by name, and names that the
    /// agent is owed after all are left out: the sidecar was behind.
    ///
    /// # Errors
    /// [`CustodyError::NotAdmitted`], or [`CustodyError::Store`].
    pub async fn refused_by_sidecar(
        &self,
        admission: &Admission,
        ids: &[String],
    ) -> Result<(), CustodyError> {
        let owed = self.owed(admission, ids)?;
        self.note_refused(admission, ids, &owed).await
    }

    fn owed(&self, admission: &Admission, ids: &[String]) -> Result<Vec<Owed>, CustodyError> {
        let (_, desired) = self.desired(admission)?;
        Ok(ids.iter().map(|id| Owed::of(id, &desired, admission)).collect())
    }

    async fn load(&self, owed: &[Owed]) -> Result<Vec<Resolved>, CustodyError> {
        let broker = Caller::Broker { id: self.broker() };
        let mut resolved = Vec::with_capacity(owed.len());
        for owed in owed {
            resolved.push(match owed {
                Owed::Nothing(refused) => Resolved::Refused(refused.clone()),
                Owed::Value(secret, version) => match self.body(&broker, *secret, *version).await {
                    Ok(body) => Resolved::Value { version: *version, body },
                    // One bad row is no reason to keep the others back.
                    Err(CustodyError::RowRefused { .. }) => Resolved::Refused(unavailable(
                        "its stored value was refused: it was tampered with",
                    )),
                    Err(error) => return Err(error),
                },
            });
        }
        Ok(resolved)
    }

    async fn note_refused(
        &self,
        admission: &Admission,
        ids: &[String],
        owed: &[Owed],
    ) -> Result<(), CustodyError> {
        let refused: BTreeSet<(&String, &str)> = ids
            .iter()
            .zip(owed)
            .filter_map(|(id, owed)| match owed {
                Owed::Nothing(refused) => Some((id, refused.message.as_str())),
                Owed::Value(..) => None,
            })
            .collect();
        if refused.is_empty() {
            return Ok(());
        }
        let event = |(id, why): (&String, &str)| Event {
            environment: admission.environment.to_string(),
            object_kind: "ref",
            object: id.clone(),
            decision: Decision::Denied,
            reason: why.to_owned(),
            ..event(&admission.caller, "secret.resolve")
        };
        self.writer.note(refused.into_iter().map(event).collect()).await
    }
}

impl Owed {
    fn of(id: &str, desired: &Desired, admission: &Admission) -> Self {
        let owed = desired
            .secrets
            .iter()
            .find(|owed| owed.targets.iter().any(|target| target.reference.as_str() == id));
        if let Some(owed) = owed {
            return Self::Value(owed.secret, owed.version);
        }
        let missing = desired.missing.iter().find(|it| it.target.reference.as_str() == id);
        Self::Nothing(match missing {
            Some(missing) if missing.denied => Refused {
                code: DENIED,
                message: format!("{}. Fix: {}", missing.reason, missing.fix),
            },
            Some(missing) => unavailable(&format!("{}. Fix: {}", missing.reason, missing.fix)),
            None => Refused {
                code: NOT_FOUND,
                message: format!(
                    "no tool of agent {:?} is bound to it. Fix: bind it in the agent's manifest",
                    admission.name.as_str()
                ),
            },
        })
    }
}

fn unavailable(why: &str) -> Refused {
    Refused { code: UNAVAILABLE, message: why.to_owned() }
}

/// How often it is begun anew where what is asked for changes meanwhile.
const ROUNDS_MAX: usize = 3;
