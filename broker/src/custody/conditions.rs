//! What stands and people ought to know: for the broker's own watch, and for those who ask.

use super::{Custody, CustodyError, plan::event};
use secretref_domain::{alert::Alert, caller::Caller, name::EnvironmentName, policy::Action};
use std::collections::BTreeSet;

impl Custody {
    /// What stands in every environment, for the broker's own watch.
    #[must_use]
    pub fn all_conditions(&self, expiring_seconds: i64) -> BTreeSet<Alert> {
        let (ledger, now) = (self.shared.ledger(), self.now());
        let environments = ledger.environments();
        environments.iter().flat_map(|it| ledger.conditions(it, now, expiring_seconds)).collect()
    }

    /// What stands in an environment, and which environment was meant.
    ///
    /// # Errors
    /// A denial.
    pub async fn conditions(
        &self,
        caller: &Caller,
        environment: Option<EnvironmentName>,
        expiring_seconds: i64,
    ) -> Result<(EnvironmentName, BTreeSet<Alert>), CustodyError> {
        let environment = self.environment(environment);
        self.permit(caller, Action::MetadataRead, || event(caller, "alert.conditions")).await?;
        let found = self.shared.ledger().conditions(&environment, self.now(), expiring_seconds);
        Ok((environment, found))
    }
}
