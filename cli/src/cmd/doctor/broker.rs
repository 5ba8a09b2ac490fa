//! The broker at the other end.

use super::{
    distance,
    finding::{Finding, Severity},
};
use crate::print::time;
use secretref_proto::v1;

/// What a broker said of itself.
pub(super) enum Answer {
    /// It did.
    Known(Box<v1::GetBrokerResponse>),
    /// It does not know the question.
    Older,
}

/// What is worth a finding. `between` is when we asked and when the answer came, in microseconds by
/// this machine's clock.
pub(super) fn findings(answer: &Answer, own: &str, between: (i64, i64)) -> Vec<Finding> {
    let Answer::Known(broker) = answer else {
        let problem = format!("it is older than this secretref ({own}) by more than one version");
        let fix = format!("install secretref-broker {own}");
        return vec![Finding::new("broker-older", Severity::Warning, "broker", problem, fix)];
    };
    let mut found = Vec::new();
    let subject = format!("broker {}", broker.broker_id);
    match distance(&broker.version, own) {
        Some(..-1) => {
            let problem = format!("it is of version {}, and this is {own}", broker.version);
            let fix = format!("install secretref-broker {own}");
            found.push(Finding::new("broker-older", Severity::Warning, &subject, problem, fix));
        }
        Some(2..) => {
            let problem = format!("it is of version {}, and this is {own}", broker.version);
            let fix = format!("install secretref {}", broker.version);
            found.push(Finding::new("broker-newer", Severity::Warning, &subject, problem, fix));
        }
        _ => {}
    }
    if let Some(skew) = broker.time.as_ref().map(|at| skew(time::micros(at), between)) {
        let seconds = skew / 1_000_000;
        if seconds.abs() >= SKEW_SECONDS_MAX {
            let ahead = if skew > 0 { "ahead of" } else { "behind" };
            let problem = format!("its clock is {} s {ahead} this machine's", seconds.abs());
            let fix = "set both by NTP (timedatectl set-ntp true)";
            found.push(Finding::new("clock-skew", Severity::Warning, &subject, problem, fix));
        }
    }
    if broker.stale {
        let problem = "its database has not answered for 15 s, so that leases are not renewed";
        let fix = "look at its log and its database";
        found.push(Finding::new("broker-stale", Severity::Broken, &subject, problem, fix));
    }
    found
}

/// How far a clock is off at the least, whenever between the two moments it was read.
fn skew(at: i64, (asked, answered): (i64, i64)) -> i64 {
    match at {
        at if at < asked => at - asked,
        at if at > answered => at - answered,
        _ => 0,
    }
}

/// Certificates are dated back by 60 s; half of it is for what happens meanwhile.
const SKEW_SECONDS_MAX: i64 = 30;
