use super::*;

fn ids(text: &str) -> Result<Vec<String>, RequestError> {
    Request::parse(text.as_bytes()).map(|request| request.ids.into_iter().collect())
}

#[test]
fn a_request_is_read() {
    let text = r#"{"protocolVersion":1,"provider":"broker","ids":["c","a/b","c"]}"#;
    assert_eq!(ids(text).unwrap(), ["a/b", "c"]);
    assert_eq!(ids(r#"{"protocolVersion":1,"ids":[]}"#).unwrap(), [""; 0]);
    assert_eq!(ids(r#"{"protocolVersion":1,"ids":["a"],"later":{"x":1}}"#).unwrap(), ["a"]);
}

#[test]
fn what_is_no_request_is_refused() {
    for text in [
        "",
        "null",
        "[]",
        "{",
        "{}",
        r#"{"protocolVersion":1}"#,
        r#"{"ids":["a"]}"#,
        r#"{"protocolVersion":1,"ids":"a"}"#,
        r#"{"protocolVersion":1,"ids":[1]}"#,
        r#"{"protocolVersion":1,"ids":["a"]} more"#,
    ] {
        assert!(matches!(ids(text), Err(RequestError::Form(_))), "{text}");
    }
    for version in ["0", "2", "\"1\"", "1.5", "null", "true"] {
        let text = format!(r#"{{"protocolVersion":{version},"ids":["a"]}}"#);
        assert_eq!(ids(&text), Err(RequestError::Version(version.to_owned())), "{text}");
    }
    let many: Vec<String> = (0..=RESOLVE_IDS_MAX).map(|number| format!("\"i{number}\"")).collect();
    let of =
        |count: usize| format!(r#"{{"protocolVersion":1,"ids":[{}]}}"#, many[..count].join(","));
    assert_eq!(ids(&of(512)).unwrap().len(), 512);
    assert_eq!(ids(&of(513)), Err(RequestError::TooMany(513)));
    let long = format!("{}{}", of(1), " ".repeat(RESOLVE_REQUEST_BYTES_MAX));
    assert_eq!(ids(&long), Err(RequestError::TooLong));
    assert!(ids(&long[..RESOLVE_REQUEST_BYTES_MAX]).is_ok());
}

#[test]
fn an_answer_has_each_id_in_one_place() {
    let request = Request { ids: ["a", "b", "c"].map(str::to_owned).into() };
    let mut answer = Answer::to(&request);
    assert!(answer.value("a", b"one \"two\""));
    assert!(!answer.value("b", &[0xff]));
    answer.refuse("c", NOT_FOUND, "it is not bound");
    let said: serde_json::Value = serde_json::to_value(&answer).unwrap();
    assert_eq!(said["protocolVersion"], 1);
    assert_eq!(said["values"], serde_json::json!({"a": "one \"two\""}));
    assert_eq!(said["errors"]["b"]["code"], "NOT_TEXT");
    assert_eq!(said["errors"]["c"]["message"], "it is not bound");
}

#[test]
fn ids_are_those_that_openclaw_asks_for() {
    for id in ["a", "A9", "models/openai/api-key", "a.b:c#d", &"a".repeat(256)] {
        assert!(is_id(id), "{id}");
    }
    for id in ["", "-a", ".a", "a b", "a/../b", "a/.", "ä", "a\n", &"a".repeat(257)] {
        assert!(!is_id(id), "{id}");
    }
}

#[test]
fn an_answer_is_never_longer_than_what_is_read() {
    let ids: Vec<String> = (0..512).map(|number| format!("{number:0>256}")).collect();
    let request = Request { ids: ids.iter().cloned().collect() };
    let (long, awkward) = ("x".repeat(64 * 1024), "\u{1}\"\n\u{7f}ä".repeat(8 * 1024));
    for value in [long.as_bytes(), awkward.as_bytes()] {
        let mut answer = Answer::to(&request);
        let given = ids.iter().filter(|id| answer.value(id, value)).count();
        assert!((4..16).contains(&given), "{given}");
        let said = serde_json::to_vec(&answer).unwrap();
        assert!(said.len() <= ANSWER_BYTES_MAX, "{}", said.len());
    }
    let mut answer = Answer::to(&request);
    for id in &ids {
        answer.refuse(id, &"C".repeat(100), &"\u{1}".repeat(4096));
    }
    assert!(serde_json::to_vec(&answer).unwrap().len() <= ANSWER_BYTES_MAX);
    // One of the largest values there are has room, whatever is in it.
    let one = Request { ids: ["a".to_owned()].into() };
    assert!(Answer::to(&one).value("a", "\u{1}".repeat(64 * 1024).as_bytes()));
}
