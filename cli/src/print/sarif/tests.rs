use super::*;

#[test]
fn a_finding_says_where_it_is_and_a_path_becomes_a_reference() {
    let finding = Finding {
        rule: "x-token".into(),
        level: Level::Warning,
        message: "looks like one".into(),
        path: "./a folder/ä.env".into(),
        line: Some(3),
        column: Some(7),
        fingerprint: "00ff".into(),
    };
    let rule = Rule { id: "x-token".into(), what: "a token".into(), fix: "put it".into() };
    let text = document("test/v1", &[rule], &[finding]);
    let result = &text["runs"][0]["results"][0];
    assert_eq!(text["version"], "2.1.0");
    assert_eq!(text["runs"][0]["tool"]["driver"]["rules"][0]["id"], "x-token");
    assert_eq!((&result["ruleId"], &result["level"]), (&json!("x-token"), &json!("warning")));
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "a%20folder/%C3%A4.env");
    assert_eq!(place["region"], json!({"startLine": 3, "startColumn": 7}));
    assert_eq!(result["partialFingerprints"], json!({"test/v1": "00ff"}));
    assert_eq!(uri("/etc/x"), "file:///etc/x");
}

#[test]
fn a_finding_of_a_whole_file_has_no_region() {
    let finding = Finding {
        rule: "x".into(),
        level: Level::Error,
        message: "m".into(),
        path: "f".into(),
        line: None,
        column: None,
        fingerprint: "1".into(),
    };
    let text = document("t/v1", &[], &[finding]);
    let place = &text["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
    assert!(place.get("region").is_none(), "{place}");
}
