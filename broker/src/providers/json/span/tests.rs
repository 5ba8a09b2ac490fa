use super::*;
use serde_json::{Value, json};

/// As a reader of the whole finds it.
fn read(json: &str, target: &str) -> Option<Value> {
    let whole: Value = serde_json::from_str(json).unwrap();
    match target.starts_with('/') {
        true => whole.pointer(target).cloned(),
        false => whole.as_object().and_then(|members| members.get(target)).cloned(),
    }
}

#[test]
fn a_span_is_what_a_reader_finds() {
    let json = r#" { "a" : "one" ,"b":[1, [2, {"c/d": "\"}]\\"}], -3.5e7],
        "": null, "e~f": {"g": true, "g": {"h": "last"}}, "\u00fc": "ü"}  "#;
    for target in [
        "a",
        "b",
        "",
        "e~f",
        "ü",
        "none",
        "/a",
        "/b",
        "/b/0",
        "/b/1",
        "/b/1/0",
        "/b/1/1",
        "/b/1/1/c~1d",
        "/b/2",
        "/b/3",
        "/b/00",
        "/b/+1",
        "/b/-",
        "/",
        "/e~0f/g",
        "/e~0f/g/h",
        "/e~0f/none",
        "/a/0",
        "/ü",
        "/none/none",
    ] {
        let found = find(json, Some(target)).map(|span| serde_json::from_str(&json[span]).unwrap());
        assert_eq!(found, read(json, target), "{target}");
    }
    for (json, target) in [("[\"x\"]", "/0"), ("[\"x\"]", "0"), ("7", "/a"), ("\"a\"", "a")] {
        let found = find(json, Some(target)).map(|span| serde_json::from_str(&json[span]).unwrap());
        assert_eq!(found, read(json, target), "{target} in {json}");
    }
}

#[test]
fn what_is_no_json_has_no_spans() {
    let whole = json!({"a": {"b": ["text \" \\", 1]}}).to_string();
    for end in 0..whole.len() {
        assert_eq!(find(&whole[..end], Some("/a/b/0")).filter(|span| span.end > end), None);
        let _ = members(&whole[..end], 0..end);
    }
    for json in ["", "}", "]", "{]", "{\"a\"}", "{\"a\" \"b\"}", ":", "{\"a\":", "\""] {
        let _ = (find(json, Some("a")), find(json, Some("/a/0")), find(json, None));
    }
}
