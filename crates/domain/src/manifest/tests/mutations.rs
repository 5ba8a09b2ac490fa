//! Every key misspelt, every scalar of another type: each is refused at its place, or means
//! something that is written down.

use super::*;
use serde_json::{Value, json};

/// Places of a value: the keys and indices that lead to it.
type Place = Vec<String>;

fn places(value: &Value, at: &Place, found: &mut Vec<Place>) {
    found.push(at.clone());
    let mut below = |key: &str, value: &Value| {
        let mut place = at.clone();
        place.push(key.to_owned());
        places(value, &place, found);
    };
    match value {
        Value::Object(members) => members.iter().for_each(|(key, value)| below(key, value)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, value)| below(&at.to_string(), value));
        }
        _ => {}
    }
}

fn at<'v>(value: &'v mut Value, place: &[String]) -> &'v mut Value {
    place.iter().fold(value, |value, step| match value {
        Value::Array(items) => &mut items[step.parse::<usize>().unwrap()],
        other => &mut other[step.as_str()],
    })
}

fn documents() -> Vec<Value> {
    let texts = SEEDS.iter().map(|(_, text)| *text).chain([EVERY_KEY]);
    texts.map(|text| serde_json::from_str(text).unwrap()).collect()
}

/// Whether people choose the name at the end of a place, so that another is fine.
fn chosen(place: &[String]) -> bool {
    let above = |levels: usize| {
        place.len().checked_sub(levels + 1).map_or("", |index| place[index].as_str())
    };
    let named = [
        "agents",
        "groups",
        "auth-profiles",
        "tool-bindings",
        "credentials",
        "refMap",
        "environments",
        "providers",
        "rotators",
        "channels",
        "env",
    ];
    let is_named = |levels: usize| named.contains(&above(levels));
    // `secrets` holds refs inside an environment, and keys of its own elsewhere.
    let of_environment = above(1) == "secrets" && above(3) == "environments";
    let of_rotator = above(1) == "secrets" && above(3) == "rotators";
    (is_named(1) && !["environment", "providers", "rotators"].contains(&above(0))) && !is_named(2)
        || of_environment
        || of_rotator
}

fn misspelt(key: &str) -> Vec<String> {
    let mut words = vec![format!("{key}x"), format!("x{key}")];
    for (at, c) in key.char_indices() {
        let (before, after) = (&key[..at], &key[at + c.len_utf8()..]);
        words.push(format!("{before}{after}"));
        words.push(format!("{before}q{after}"));
        words.push(format!("{before}{c}{c}{after}"));
    }
    let letters: Vec<char> = key.chars().collect();
    for at in 1..letters.len() {
        let mut swapped = letters.clone();
        swapped.swap(at - 1, at);
        words.push(swapped.into_iter().collect());
    }
    words.retain(|word| word != key && !word.is_empty());
    words
}

#[test]
fn every_misspelt_key_is_refused_with_the_right_one() {
    let mut count = 0;
    for document in documents() {
        let mut all = Vec::new();
        places(&document, &Vec::new(), &mut all);
        for place in all.iter().filter(|place| !place.is_empty() && !chosen(place)) {
            let (key, parent) = place.split_last().unwrap();
            if key.parse::<usize>().is_ok() {
                continue;
            }
            for word in misspelt(key) {
                let mut changed = document.clone();
                let members = at(&mut changed, parent).as_object_mut().unwrap();
                if members.contains_key(&word) || plural(key, &word) {
                    continue;
                }
                let value = members.remove(key).unwrap();
                members.insert(word.clone(), value);
                let errors = bad(&changed.to_string());
                assert!(schema_takes(&changed).is_err(), "the schema takes {place:?} as {word:?}");
                let told = errors.iter().any(|error| {
                    error.path.ends_with(&word)
                        && error.fix.contains(&format!("did you mean `{key}`?"))
                });
                assert!(told, "{place:?} as {word:?}: {errors:#?}");
                count += 1;
            }
        }
    }
    assert!(count > 3000, "only {count} were tried");
}

/// `agent` and `agents` are both keys, each a letter from the other.
fn plural(key: &str, word: &str) -> bool {
    key.starts_with("agent") && word.starts_with("agent")
}

#[test]
fn every_value_of_another_type_is_refused_at_its_place() {
    let others =
        [json!(null), json!(true), json!(7), json!(1.5), json!("q q"), json!([]), json!({})];
    let mut count = 0;
    for document in documents() {
        let mut all = Vec::new();
        places(&document, &Vec::new(), &mut all);
        for place in &all {
            for other in &others {
                let mut changed = document.clone();
                let held = at(&mut changed, place);
                if same_type(held, other) {
                    continue;
                }
                *held = other.clone();
                let errors = match one(&changed.to_string()) {
                    Ok(_) => panic!("{place:?} as {other} was accepted"),
                    Err(errors) => errors.0,
                };
                assert!(schema_takes(&changed).is_err(), "the schema takes {place:?} as {other}");
                let mut path = At::file("m.json");
                for step in place {
                    path = step.parse().map_or_else(|_| path.key(step), |step| path.index(step));
                }
                // A provider's settings are wrong as a whole where its type is.
                let told = errors.iter().any(|error| error.path == path.path());
                assert!(told, "{place:?} as {other}: {errors:#?}");
                count += 1;
            }
        }
    }
    assert!(count > 1000, "only {count} were tried");
}

fn same_type(one: &Value, other: &Value) -> bool {
    std::mem::discriminant(one) == std::mem::discriminant(other)
        && (!one.is_number() || other.is_u64())
}

#[test]
fn two_swapped_letters_are_one_mistake() {
    assert_eq!(tables::nearest("tpye", &["ty", "type"]), Some("type"));
    assert_eq!(tables::nearest("secret_ref", &["secrets", "secretRef"]), Some("secretRef"));
    assert_eq!(tables::nearest("x", &[]), None);
}
