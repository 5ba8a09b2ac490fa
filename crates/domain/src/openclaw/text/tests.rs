use super::*;
use proptest::prelude::*;

fn read(text: &str) -> Result<Document, TextError> {
    Document::parse(Zeroizing::new(text.to_owned()))
}

/// As `json5` would have it.
fn value(document: &Document, node: &Node) -> serde_json::Value {
    match &node.kind {
        Kind::Object(members) => members
            .iter()
            .map(|member| (member.key.clone(), value(document, &member.value)))
            .collect(),
        Kind::Array(items) => items.iter().map(|item| value(document, item)).collect(),
        Kind::Text => document.string(node).unwrap().as_str().into(),
        Kind::Other => json5::from_str(&document.text()[node.span.clone()]).unwrap(),
    }
}

#[test]
fn every_shape_of_json5_is_read_as_the_library_reads_it() {
    for text in [
        "{}",
        "[]",
        " \u{feff}// c\n{a:1,}",
        "{a: {'b.c': [1, 2,], \"d\": null, $e_1: true, ünï: .5, f: +1e3, g: 0xFf, h: 5.}}",
        "/* a */ { /* b */ a /* c */ : /* d */ 'x' /* e */ , /* f */ } // g",
        "{a: 'it\\'s \"so\"', b: \"l1\\\nl2\\\r\\\nl3\", c: '\\x41\\u0042\\uD83D\\uDE00\\0\\v\\q'}",
        "{a: 'x'}\r\n",
        "{\u{a0}a:\u{2028}[[[]],{}]}",
        "{\\u0061b: 1}",
        "'alone'",
    ] {
        let document = read(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let library: serde_json::Value = json5::from_str(text).unwrap();
        assert_eq!(value(&document, document.root()), library, "{text}");
    }
}

#[test]
fn a_place_is_where_the_value_stands() {
    let document = read("{\n  ä: 'ö',\n  b: [1, {c: \"x\"}],\n}").unwrap();
    let at = |span: &Span| &document.text()[span.clone()];
    let root = document.root();
    assert_eq!(at(&root.member("ä").unwrap().value.span), "'ö'");
    let Kind::Array(items) = &root.member("b").unwrap().value.kind else { panic!() };
    assert_eq!(at(&items[1].span), "{c: \"x\"}");
    let place = document.place(items[1].member("c").unwrap().value.span.start);
    assert_eq!(place, (3, 14));
}

#[test]
fn what_is_no_json5_is_refused_and_not_repeated() {
    for (text, line, column) in [
        ("", 1, 1),
        ("{a: 'sk-secret}", 1, 5),
        ("{a: 'sk-secret\n'}", 1, 5),
        ("{a: sk-secret}", 1, 5),
        ("{a: 1 b: 2}", 1, 7),
        ("{a: 1, a: 2}", 1, 8),
        ("{a: 1} x", 1, 8),
        ("{\n /* a: 1}", 2, 2),
        ("{,}", 1, 2),
        ("[1 2]", 1, 4),
        ("{a: '\\u12'}", 1, 5),
        ("{a: '\\uD800'}", 1, 5),
    ] {
        let error = read(text).err().unwrap_or_else(|| panic!("{text} was read"));
        assert_eq!((error.line, error.column), (line, column), "{text}: {error}");
        assert!(!error.to_string().contains("sk-"), "{error}");
    }
    assert!(read(&"[".repeat(10_000)).is_err());
    assert!(read(&" ".repeat(TEXT_BYTES_MAX + 1)).is_err());
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(text in "[{}\\[\\]:,'\"\\\\/*a1\\n\\r uxé\u{feff}-]{0,40}") {
        drop(read(&text));
    }

    #[test]
    fn what_json_says_is_read(text in proptest::collection::vec(any::<String>(), 0..4)) {
        let json = serde_json::json!({"list": text, "of": {"them": text}});
        let document = read(&json.to_string()).unwrap();
        prop_assert_eq!(value(&document, document.root()), json);
    }
}
