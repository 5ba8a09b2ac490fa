//! The schema is current, takes what the reader takes, and refuses what it can.

use super::*;
use std::{fs, path::Path};

/// Set by `make schema`: write the committed schema instead of comparing with it.
const REFRESH: &str = "SECRETREF_SCHEMA_REFRESH";

#[test]
fn the_committed_schema_is_current() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/manifest.schema.json");
    let now = format!("{:#}\n", schema());
    if std::env::var_os(REFRESH).is_some() {
        fs::write(&file, now).unwrap();
        return;
    }
    let committed = fs::read_to_string(&file).expect("docs/manifest.schema.json; `make schema`");
    assert_eq!(committed, now, "the keys changed: `make schema`, and look at what it writes");
}

#[test]
fn every_key_of_every_table_has_a_form() {
    fn none_unknown(place: &str, value: &Value) {
        if let Some(members) = value.as_object() {
            for (key, value) in members {
                let place = format!("{place}.{key}");
                let closed = key == "additionalProperties";
                assert!(closed || *value != Value::Bool(false), "{place} has no form in keys.rs");
                none_unknown(&place, value);
            }
        }
    }
    none_unknown("", &schema());
}
