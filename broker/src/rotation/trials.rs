//! Credentials are tested at their services now and then, by those who know how: what was revoked
//! there is known before an agent finds it out.

use super::{Rotations, steps::in_time};
use crate::{
    custody::{CustodyError, ToTest, Work},
    rotators::{Credential, RotatorError, Task},
};
use secretref_domain::{
    clock::Timestamp,
    id::RotationId,
    name::{EnvironmentName, SecretName},
};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// A ref.
type Ref = (EnvironmentName, SecretName);

impl Rotations {
    /// Tests each credential once in so long, until `stop`.
    pub async fn run_trials(self, every: Duration, stop: CancellationToken) {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Those that could not be tested are left alone for a while.
        let mut resting = HashMap::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = looks.tick() => {}
            }
            let round = Box::pin(self.round(every, &mut resting));
            let ended = tokio::select! {
                () = stop.cancelled() => break,
                ended = round => ended,
            };
            if let Err(error) = ended {
                tracing::warn!(%error, "credentials were not tested");
            }
        }
    }

    /// Tests those that are due, one after another, as long as it is this broker's to do.
    async fn round(
        &self,
        every: Duration,
        resting: &mut HashMap<Ref, Timestamp>,
    ) -> Result<(), CustodyError> {
        let custody = &self.0.custody;
        let now = custody.now();
        resting.retain(|_, until| now < *until);
        let due = custody.due_trials(every).await?;
        if due.iter().all(|it| resting.contains_key(it)) {
            return Ok(());
        }
        let Some(lease) = custody.take_work(Work::Testing).await? else { return Ok(()) };
        // Looked at again under the lease: another broker may have tested them a moment ago.
        for due in custody.due_trials(every).await? {
            if resting.contains_key(&due) {
                continue;
            }
            if !custody.keep_lease(&lease).await? {
                return Ok(());
            }
            let (environment, reference) = &due;
            if let Err(why) = Box::pin(self.try_current(environment, reference)).await {
                tracing::warn!(%environment, %reference, why, "a credential was not tested");
                if resting.len() < RESTING_MAX {
                    resting.insert(due, custody.now().plus_seconds(REST_SECONDS));
                }
            }
        }
        custody.leave(lease).await;
        Ok(())
    }

    /// Tests the current credential of a ref, once; why it could not be, where nobody said
    /// whether it works.
    async fn try_current(
        &self,
        environment: &EnvironmentName,
        reference: &SecretName,
    ) -> Result<(), String> {
        let custody = &self.0.custody;
        let to_test = custody.credential_to_test(environment, reference).await;
        let ToTest { rotator, secret, version, body, handle } =
            to_test.map_err(|error| error.to_string())?;
        let value = body.to_value().ok_or("it has no value")?;
        let credential = Credential { value: Arc::new(value), handle };
        let opened = self.open(environment, &rotator).await;
        let opened = opened.map_err(|error| error.to_string())?;
        let task = Task {
            rotation: RotationId(Uuid::now_v7()),
            environment: environment.clone(),
            reference: reference.clone(),
            old: credential.clone(),
        };
        let refused = match in_time(&rotator, opened.test(&task, &credential)).await {
            Ok(()) => None,
            Err(RotatorError { refused: true, rotator, message, .. }) => {
                Some(format!("rotator {rotator:?} {message}"))
            }
            Err(error) => return Err(error.to_string()),
        };
        let tested = (secret, version);
        let kept = custody.credential_tested(environment, reference, tested, refused).await;
        kept.map_err(|error| error.to_string())
    }
}

/// How often it is looked what is due.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long one that could not be tested is left alone, in seconds.
const REST_SECONDS: i64 = 600;
/// How many are left alone at a time; more are tried again at the next look.
const RESTING_MAX: usize = 10_000;
