//! A verb's plan on its way through the writer.

use crate::custody::{
    CustodyError,
    plan::{Committed, Effects, Ground, Plan, Planned},
};
use secretref_domain::{clock::Timestamp, version::Revision};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::oneshot;

/// A plan whose answer type is hidden, so that one queue serves all verbs.
pub(super) trait Job: Send {
    /// Works the plan out.
    fn plan(&mut self, ground: &Ground<'_>) -> Result<Effects, CustodyError>;
    /// The answer as bytes, for a retry with the same request id.
    fn answer_bytes(&self, revision: Revision, at: Timestamp) -> Option<Vec<u8>>;
    /// Answers with an earlier answer.
    fn replay(self: Box<Self>, bytes: &[u8]);
    /// Answers.
    fn finish(self: Box<Self>, outcome: Result<(Revision, Timestamp), CustodyError>);
}

/// The plan of one verb and the way back to its caller.
pub(super) struct Verb<T> {
    plan: Option<Plan<T>>,
    answer: Option<T>,
    reply: oneshot::Sender<Result<Committed<T>, CustodyError>>,
}

impl<T> Verb<T> {
    pub(super) fn new(
        plan: Plan<T>,
    ) -> (Self, oneshot::Receiver<Result<Committed<T>, CustodyError>>) {
        let (reply, answer) = oneshot::channel();
        (Self { plan: Some(plan), answer: None, reply }, answer)
    }
}

impl<T: Serialize + DeserializeOwned + Send + 'static> Job for Verb<T> {
    fn plan(&mut self, ground: &Ground<'_>) -> Result<Effects, CustodyError> {
        let plan =
            self.plan.take().ok_or_else(|| CustodyError::Internal("planned twice".into()))?;
        let Planned { effects, answer } = plan(ground)?;
        self.answer = Some(answer);
        Ok(effects)
    }

    fn answer_bytes(&self, revision: Revision, at: Timestamp) -> Option<Vec<u8>> {
        serde_json::to_vec(&(revision, at, self.answer.as_ref()?)).ok()
    }

    fn replay(self: Box<Self>, bytes: &[u8]) {
        let answer = serde_json::from_slice(bytes)
            .map(|(revision, at, answer)| Committed { answer, revision, at })
            .map_err(|error| CustodyError::Internal(format!("a recorded answer: {error}")));
        drop(self.reply.send(answer));
    }

    fn finish(self: Box<Self>, outcome: Result<(Revision, Timestamp), CustodyError>) {
        let Self { answer, reply, .. } = *self;
        let answer = outcome.and_then(|(revision, at)| match answer {
            Some(answer) => Ok(Committed { answer, revision, at }),
            None => Err(CustodyError::Internal("finished without a plan".into())),
        });
        // Whoever asked may have gone; what he asked for is done all the same.
        drop(reply.send(answer));
    }
}
