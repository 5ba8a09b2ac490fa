use super::*;
use serde_json::json;
use std::collections::BTreeSet;

fn random(settings: Value) -> Result<Random, RotatorError> {
    let Value::Object(settings) = settings else { panic!() };
    Random::of(&RotatorAlias::parse("r").unwrap(), &settings)
}

fn minted(settings: Value) -> String {
    let minted = random(settings).unwrap().mint().unwrap();
    String::from_utf8(minted.value.expose().to_vec()).unwrap()
}

#[test]
fn a_value_is_of_its_alphabet_and_length_and_no_two_are_one() {
    assert_eq!(minted(json!({})).len(), 32);
    let hex = minted(json!({"length": 64, "alphabet": "hex", "prefix": "k-"}));
    let rest = hex.strip_prefix("k-").unwrap();
    assert_eq!(rest.len(), 64);
    assert!(rest.bytes().all(|byte| b"0123456789abcdef".contains(&byte)), "{rest}");
    let own = minted(json!({"length": 100, "alphabet": "äb"}));
    assert_eq!(own.chars().filter(|it| "äb".contains(*it)).count(), 100);
    let many: BTreeSet<String> = (0..1_000).map(|_| minted(json!({}))).collect();
    assert_eq!(many.len(), 1_000);
}

#[test]
fn every_character_comes_as_often_as_any_other() {
    let value = minted(json!({"length": 4096, "alphabet": "abc"}));
    for letter in ["a", "b", "c"] {
        let times = value.matches(letter).count();
        // Of 4,096 a third is 1,365; that one of them is off by 250 comes once in 10^14.
        assert!((1_115..1_615).contains(&times), "{letter}: {times}");
    }
}

#[test]
fn an_alphabet_that_is_none_is_refused_with_the_key_to_set() {
    for alphabet in ["a", "aa", &"x".repeat(300)] {
        let refused = random(json!({"alphabet": alphabet})).unwrap_err();
        assert!(refused.lasting && refused.fix.contains("secrets.rotators.r.alphabet"));
    }
}
