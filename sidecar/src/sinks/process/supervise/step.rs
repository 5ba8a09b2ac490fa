//! What comes after something was dealt with.

use crate::sinks::process::{Ended, Offer};

/// What comes next.
pub(super) enum Step {
    /// Whatever happens next.
    Done,
    /// This offer, before anything else.
    Newer(Box<Offer>),
    /// Nothing: the program has ended for good.
    Over(Ended),
}
