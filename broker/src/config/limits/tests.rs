use super::*;
use std::collections::BTreeMap;

#[test]
fn the_defaults_are_valid_and_what_is_not_named_has_them() {
    Limits::default().check().unwrap();
    let some: Limits = toml::from_str("drain_seconds = 7\n").unwrap();
    assert_eq!(some, Limits { drain_seconds: 7, ..Limits::default() });
    assert!(!some.are_default() && Limits::default().are_default());
}

#[test]
fn a_misspelt_limit_is_refused() {
    let error = toml::from_str::<Limits>("drain_second = 7\n").unwrap_err().to_string();
    assert!(error.contains("drain_second"), "{error}");
}

/// Every limit is checked: a value out of its range is refused by name, with what it may be.
#[test]
fn each_limit_has_a_range() {
    let text = toml::to_string(&Limits::default()).unwrap();
    let fields: BTreeMap<String, u32> = toml::from_str(&text).unwrap();
    for name in fields.keys() {
        let changed = fields.iter().map(|(key, value)| {
            let value = if key == name { u32::MAX } else { *value };
            format!("{key} = {value}\n")
        });
        let limits: Limits = toml::from_str(&changed.collect::<String>()).unwrap();
        let error = limits.check().unwrap_err().to_string();
        assert!(error.starts_with(&format!("limits.{name} is 4294967295; it lies in ")), "{error}");
    }
}
