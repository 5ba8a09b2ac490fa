//! What `monitor` prints of what a broker says.

use crate::broker::Broker;

#[test]
fn once_is_a_table_and_the_exit_code_tells_of_findings() {
    let broker = Broker::start();
    let ran = broker.run(&["monitor", "--once", "--check-expiry", "7"], b"");
    assert_eq!(ran.code, 1, "{}", ran.err);
    let lines: Vec<&str> = ran.text().lines().collect();
    assert!(lines[0].starts_with("CONDITION          SEVERITY"), "{lines:?}");
    assert!(lines[1].contains("provider-degraded  error     provider vault"), "{lines:?}");
    assert!(lines[1].ends_with("it is sealed (sealed); 3 refs: a, b, c"), "{lines:?}");
    assert!(lines[2].contains("expiring           warning   ref stripe-api-key"), "{lines:?}");
    assert!(lines[2].contains("valid until 2027-03-08  "), "{lines:?}");
    assert!(lines[2].ends_with("secretref put stripe-api-key"), "{lines:?}");

    let none = broker.run(&["monitor", "--once", "--environment", "empty"], b"");
    assert_eq!((none.code, none.text()), (0, ""));
    assert!(none.err.contains("nothing is so"), "{}", none.err);
    let none = broker.run(&["monitor", "--once", "--environment", "empty", "--json"], b"");
    assert_eq!((none.code, none.text()), (0, "[]\n"));
}

#[test]
fn programs_read_stable_keys() {
    let broker = Broker::start();
    let json = broker.run(&["monitor", "--once", "--check-expiry", "30", "--json"], b"").json();
    let expiring = &json[1];
    assert_eq!(expiring["kind"], "expiring");
    assert_eq!(expiring["severity"], "warning");
    assert_eq!(expiring["environment"], "production");
    assert_eq!(expiring["ref"], "stripe-api-key");
    assert_eq!(expiring["valid_until"], "2027-03-08T00:00:00Z");
    assert_eq!(expiring["reason"], "within 30 days");
    assert_eq!(expiring["fix"], "secretref put stripe-api-key");
    assert!(expiring["provider"].is_null() && expiring["agent"].is_null(), "{expiring}");
    assert_eq!(json[0]["provider"], "vault");
}

#[test]
fn a_channel_is_told_and_what_became_of_it_is_said() {
    let broker = Broker::start();
    let tell = |channel: &str| {
        broker.run(&["monitor", "--once", "--alert-channel", channel, "--json"], b"")
    };
    let told = tell("log");
    assert_eq!(told.code, 1, "{}", told.err);
    assert!(told.err.contains("alert channel log was told of 2 conditions"), "{}", told.err);
    let failed = tell("#gone");
    let said = "alert channel #gone was told of 1 condition: it answered 404 (no_service). \
                Fix: secretref put slack-webhook";
    assert!(failed.code == 1 && failed.err.contains(said), "{}", failed.err);
    assert_eq!(tell("#none").code, 3);
    assert_eq!(tell("a\nb").code, 2);
}

#[test]
fn what_does_not_go_together_is_wrong_usage() {
    let broker = Broker::start();
    for wrong in [
        &["monitor", "--once", "--check-expiry", "0"][..],
        &["monitor", "--once", "--check-expiry", "3651"],
        &["monitor", "--once", "--interval", "5s"],
        &["monitor", "--interval", "10ms"],
        &["monitor", "--once", "--all", "--alert-channel", "#x"],
        &["monitor", "--once", "--all", "--environment", "e"],
    ] {
        assert_eq!(broker.run(wrong, b"").code, 2, "{wrong:?}");
    }
}
