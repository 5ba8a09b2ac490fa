use super::*;

fn ids(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

#[test]
fn an_answer_has_what_was_asked_and_nothing_else() {
    let answer = br#"{"protocolVersion":1,"values":{"a":"1","b":"2"},"errors":{"c":{}}}"#;
    let found = values(answer, &ids(&["a", "c"]), true).unwrap();
    assert_eq!(found.keys().collect::<Vec<_>>(), ["a"]);
    assert!(values(b"plain", &ids(&["a"]), true).is_none(), "it was to be JSON");
    assert!(values(b"plain", &ids(&["a", "b"]), false).is_none(), "whose would it be?");
    let found = values(b"plain", &ids(&["a"]), false).unwrap();
    assert_eq!(found["a"].as_ref(), b"plain");
    assert!(values(b"", &ids(&["a"]), false).is_none());
    assert!(values(br#"{"protocolVersion":2,"values":{}}"#, &ids(&["a"]), true).is_none());
}
