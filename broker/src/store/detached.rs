//! Database work that nobody can cancel half-way.

use super::StoreError;

/// Runs a unit of database work in a task of its own, so that it goes on to its end when whoever
/// waits for it is dropped.
///
/// A gRPC handler is dropped when its client cancels. In sqlx 0.9.0 a future that is dropped during
/// `BEGIN` leaves its connection inside a transaction that sqlx does not know of; the next user of
/// that connection writes into it, is told that all is well, and loses the write at the next
/// rollback. `after_release` of both pools is the second net against the same.
pub(super) async fn detached<T, W>(work: W) -> Result<T, StoreError>
where
    T: Send + 'static,
    W: Future<Output = Result<T, StoreError>> + Send + 'static,
{
    match tokio::spawn(work).await {
        Ok(outcome) => outcome,
        // It panicked, or its runtime stopped. It may have been past its commit.
        Err(error) => Err(StoreError::Unavailable {
            why: if error.is_panic() {
                "the work on the database panicked".to_owned()
            } else {
                "the broker stopped during the work on the database".to_owned()
            },
            unknown: true,
        }),
    }
}
