//! How many there are of what: for whoever measures.

use super::Custody;
use crate::metrics::Figures;

impl Custody {
    /// How many there are of what at the moment.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let mut figures = Figures {
            streams: u64::try_from(*self.feed().count().borrow()).unwrap_or(u64::MAX),
            revision: u64::try_from(self.feed().revision().0).unwrap_or(0),
            fresh: self.is_fresh(),
            ..Figures::default()
        };
        let ledger = self.shared.ledger();
        for agent in ledger.fleet_after(None) {
            let count = match (agent.active, agent.quarantined_at) {
                (true, _) => &mut figures.active,
                (false, None) => &mut figures.revoked,
                (false, Some(_)) => &mut figures.quarantined,
            };
            *count += 1;
        }
        figures.secrets = u64::try_from(ledger.secrets().count()).unwrap_or(u64::MAX);
        for rotation in ledger.rotations().filter(|rotation| !rotation.phase.is_over()) {
            *figures.rotations.entry(rotation.phase.as_str()).or_default() += 1;
        }
        figures
    }
}
