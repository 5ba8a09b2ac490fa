//! What agents reach: enrolment, and the watch stream.

mod enrol;
mod watch;

pub(super) use enrol::Enrolment;
pub(super) use watch::Watch;
