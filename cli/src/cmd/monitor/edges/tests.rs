use super::*;
use secretref_proto::v1;

fn condition(kind: &str, name: &str, severity: &str) -> Shown {
    Shown::of(v1::Condition {
        kind: kind.into(),
        severity: severity.into(),
        environment: "default".into(),
        secret_ref: name.into(),
        expire_time: Some(prost_types::Timestamp { seconds: 1_804_464_000, nanos: 0 }),
        reason: "so it is".into(),
        fix: "secretref put s".into(),
        ..v1::Condition::default()
    })
}

fn news(seen: &mut Seen, now: &[Shown], more: bool) -> Vec<String> {
    let edges = seen.turn(now.iter().cloned(), more);
    edges.iter().map(|edge| edge.condition().line(edge.is_over())).collect()
}

#[test]
fn what_began_and_what_is_over_is_told_once() {
    let mut seen = Seen::default();
    let soon = condition("expiring", "s", "warning");
    let began = ["⚠️ expiring: s (valid until 2027-03-08). Fix: secretref put s"];
    assert_eq!(news(&mut seen, std::slice::from_ref(&soon), false), began);
    assert_eq!(news(&mut seen, std::slice::from_ref(&soon), false), [""; 0]);
    assert_eq!(news(&mut seen, &[], false), ["✅ expiring: s: it is over"]);
    assert_eq!(news(&mut seen, &[], false), [""; 0]);
}

#[test]
fn what_gets_worse_is_told_and_is_not_over() {
    let mut seen = Seen::default();
    let soon = condition("expiring", "s", "warning");
    news(&mut seen, std::slice::from_ref(&soon), false);
    let ended = condition("expired", "s", "error");
    assert_eq!(news(&mut seen, &[ended], false).len(), 1);
    let degraded = condition("provider-degraded", "s", "warning");
    news(&mut seen, std::slice::from_ref(&degraded), false);
    let worse = condition("provider-degraded", "s", "error");
    assert_eq!(news(&mut seen, &[worse], false).len(), 1);
    assert_eq!(news(&mut seen, &[degraded], false), [""; 0], "better is no news");
}

#[test]
fn where_not_all_is_shown_nothing_is_over() {
    let mut seen = Seen::default();
    let (one, other) =
        (condition("expiring", "s", "warning"), condition("expiring", "t", "warning"));
    news(&mut seen, &[one.clone(), other.clone()], false);
    assert_eq!(news(&mut seen, std::slice::from_ref(&one), true), [""; 0]);
    assert_eq!(news(&mut seen, &[one], false), ["✅ expiring: t: it is over"]);
}
