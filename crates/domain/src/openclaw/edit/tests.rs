use super::*;
use serde_json::json;

fn read(text: &str) -> Document {
    Document::parse(Zeroizing::new(text.to_owned())).unwrap()
}

fn set_in(text: &str, path: &[&str], value: &Value) -> String {
    let document = read(text);
    let changed = set(&document, path, value).unwrap();
    changed.map_or_else(|| "unchanged".to_owned(), |it| it.text().to_owned())
}

#[test]
fn values_are_replaced_and_all_else_stays() {
    let text =
        "{\r\n  // why: 'old'\r\n  a: 'old', /* x */ \"b.c\": [{ 'k' : \"old\" /* y */, }],\r\n}";
    let document = read(text);
    let first = document.root().member("a").unwrap();
    let Kind::Array(items) = &document.root().member("b.c").unwrap().value.kind else { panic!() };
    let second = items[0].member("k").unwrap();
    let of = |id: &str| json!({"id": id});
    let edits = vec![
        Edit::value(&second.value, &of("ü")),
        Edit::key(second, "kRef"),
        Edit::value(&first.value, &of("1")),
    ];
    let changed = apply(&document, edits).unwrap();
    assert_eq!(
        changed.text(),
        "{\r\n  // why: 'old'\r\n  a: {\"id\": \"1\"}, /* x */ \"b.c\": \
         [{ \"kRef\" : {\"id\": \"ü\"} /* y */, }],\r\n}"
    );
}

#[test]
fn a_member_is_added_at_the_end_of_what_is_there() {
    let value = json!({"x": 1});
    for (text, changed) in [
        ("{}", "{\n  \"s\": {\n    \"x\": 1\n  }\n}"),
        ("{\n  a: 1\n}\n", "{\n  a: 1,\n  \"s\": {\n    \"x\": 1\n  }\n}\n"),
        ("{\n\ta: 1, // one\n}", "{\n\ta: 1, // one\n\t\"s\": {\n\t  \"x\": 1\n\t}\n}"),
        ("{\n  a: 1 // one\n}", "{\n  a: 1, // one\n  \"s\": {\n    \"x\": 1\n  }\n}"),
        ("{\r\n  a: 1,\r\n}", "{\r\n  a: 1,\r\n  \"s\": {\r\n    \"x\": 1\r\n  }\r\n}"),
        ("{a: 1}", "{a: 1, \"s\": {\"x\": 1}}"),
        ("{a: 1, /* c */ }", "{a: 1, /* c */ \"s\": {\"x\": 1} }"),
    ] {
        assert_eq!(set_in(text, &["s"], &value), changed);
    }
}

#[test]
fn a_path_is_made_as_deep_as_it_lacks() {
    let value = json!("x");
    let path = ["secrets", "defaults", "exec"];
    assert_eq!(
        set_in("{secrets: {a: 1}}", &path, &value),
        "{secrets: {a: 1, \"defaults\": {\"exec\": \"x\"}}}"
    );
    assert_eq!(
        set_in("{secrets: {defaults: {exec: 'y'}}}", &path, &value),
        "{secrets: {defaults: {exec: \"x\"}}}"
    );
    assert_eq!(set_in("{secrets: {defaults: {exec: 'x'}}}", &path, &value), "unchanged");
    assert_eq!(
        set_in("{secrets: {defaults: {}}}", &path, &value),
        "{secrets: {defaults: {\n  \"exec\": \"x\"\n}}}"
    );
    let refused = set(&read("{secrets: []}"), &path, &value).err().unwrap();
    assert_eq!(refused, EditError::NoObject("secrets".to_owned()));
}

#[test]
fn a_member_goes_with_its_comma_and_its_line() {
    for (text, key, changed) in [
        ("{\n  a: 1,\n  b: 2\n}", "a", "{\n  b: 2\n}"),
        ("{\n  a: 1,\n  b: 2\n}", "b", "{\n  a: 1\n}"),
        ("{\r\n  a: 1,\r\n  b: 2,\r\n}", "b", "{\r\n  a: 1,\r\n}"),
        ("{a: 1, b: 2}", "b", "{a: 1 }"),
        ("{a: 1, b: 2}", "a", "{ b: 2}"),
        ("{a: 1}", "a", "{}"),
        ("{a: 1 /* x */, b: 2}", "a", "{ /* x */ b: 2}"),
        ("{a: 1, // one\n b: 2 // two\n}", "b", "{a: 1 // one\n  // two\n}"),
    ] {
        let document = read(text);
        let member = document.root().member(key).unwrap();
        assert_eq!(remove(&document, member).unwrap().text(), changed, "{text} without {key}");
    }
}

#[test]
fn a_change_that_breaks_the_text_is_refused() {
    let document = read("{a: 1}");
    let edit = Edit { span: 0..1, text: String::new() };
    assert!(matches!(apply(&document, vec![edit]), Err(EditError::Broken(_))));
}
