use super::*;
use serde_json::json;

fn found(before: Option<Value>, after: Option<Value>) -> Vec<(String, String)> {
    let sign = |value: Option<String>| value.unwrap_or_else(|| "-".into());
    differences(&["agents", "a"], before.as_ref(), after.as_ref())
        .into_iter()
        .map(|it| (it.path, format!("{} → {}", sign(it.before), sign(it.after))))
        .collect()
}

#[test]
fn each_key_that_differs_is_told_with_both_values() {
    let before = json!({"name": "A", "x": {"y": 1, "same": true}, "list": ["a"], "gone": {"k": 2}});
    let after = json!({"name": "B", "x": {"y": 2, "same": true}, "list": ["a", "b"], "new": {}});
    assert_eq!(
        found(Some(before), Some(after)),
        [
            ("agents.a.gone.k".into(), "2 → -".into()),
            ("agents.a.list".into(), "[\"a\"] → [\"a\",\"b\"]".into()),
            ("agents.a.name".into(), "\"A\" → \"B\"".into()),
            ("agents.a.new".into(), "- → {}".into()),
            ("agents.a.x.y".into(), "1 → 2".into()),
        ]
    );
}

#[test]
fn what_comes_and_what_goes_is_told_whole() {
    let value = json!({"name": "A", "x": {"y": 1}});
    let came = found(None, Some(value.clone()));
    assert_eq!(came[1], ("agents.a.x.y".into(), "- → 1".into()));
    let went = found(Some(value.clone()), None);
    assert_eq!(went[0], ("agents.a.name".into(), "\"A\" → -".into()));
    assert_eq!(found(Some(value.clone()), Some(value)), []);
    assert_eq!(found(None, Some(json!({}))), [("agents.a".into(), "- → {}".into())]);
    assert_eq!(found(None, None), []);
}

#[test]
fn an_object_that_becomes_something_else_is_one_difference() {
    let told = found(Some(json!({"x": {"y": 1}})), Some(json!({"x": 3})));
    assert_eq!(told, [("agents.a.x".into(), "{\"y\":1} → 3".into())]);
    let told = found(Some(json!({"x": {}})), Some(json!({"x": {"y": 1}})));
    assert_eq!(told, [("agents.a.x.y".into(), "- → 1".into())]);
}

#[test]
fn long_values_are_cut_and_odd_keys_are_quoted() {
    let long = found(None, Some(json!({"template": "x".repeat(1000)})));
    assert_eq!(long[0].1.chars().count(), SHOWN_CHARS_MAX + "- → …".chars().count());
    let odd = found(None, Some(json!({"#alerts": 1})));
    assert_eq!(odd[0].0, "agents.a[\"#alerts\"]");
}
