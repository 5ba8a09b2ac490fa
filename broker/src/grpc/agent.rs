//! What agents reach: enrolment, and the watch stream.

mod enrol;
mod resolve;
mod watch;

pub(super) use enrol::Enrolment;
pub(super) use resolve::Resolve;
pub(super) use watch::Watch;
