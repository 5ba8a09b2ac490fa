use super::*;

fn read(text: &str) -> Result<Monitor, String> {
    let monitor: Monitor = toml::from_str(text).map_err(|error| error.to_string())?;
    monitor.check().map(|()| monitor).map_err(|error| error.to_string())
}

#[test]
fn what_is_not_named_has_its_default() {
    let default = read("").unwrap();
    assert!(default.are_default());
    assert_eq!(default.bounds(), Bounds::DEFAULT);
    let one = read("expiring_days = 30").unwrap();
    assert_eq!(one.bounds().expiring_seconds, 30 * DAY_SECONDS);
    assert!(!one.are_default());
}

#[test]
fn each_bound_has_a_range() {
    for (text, wrong) in [
        ("expiring_days = 0", "monitor.expiring_days is 0; it lies in 1 to 365"),
        ("expiring_days = 366", "it lies in 1 to 365"),
        ("degraded_seconds = 86401", "it lies in 0 to 86400"),
        ("stuck_seconds = 2592001", "it lies in 0 to 2592000"),
        ("lagging_seconds = 86401", "it lies in 0 to 86400"),
        ("unused_seconds = 31536001", "it lies in 0 to 31536000"),
        ("quiet_seconds = 604801", "it lies in 0 to 604800"),
        ("test_seconds = 59", "it lies in 60 to 2592000"),
        ("quite_seconds = 1", "unknown field"),
    ] {
        let said = read(text).unwrap_err();
        assert!(said.contains(wrong), "{text}: {said}");
    }
}
