//! Files that are no JSON, too big, too deep, or ambiguous.

use super::*;
use proptest::prelude::*;

fn refused(bytes: &[u8]) -> String {
    let errors = parse(&[("m.json", bytes)]).unwrap_err();
    assert_eq!(errors.0.len(), 1, "{errors}");
    errors.to_string()
}

#[test]
fn what_is_no_json_is_told_apart() {
    let cases: [(&[u8], &str); 20] = [
        (b"", "the file is empty"),
        (b" \n\t", "the file is empty"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b"\xff\xfe{\0}\0", "UTF-16"),
        (b"{\"agents\": \"\xff\"}", "not UTF-8: see its byte 12"),
        (b"{} {}", "something follows the manifest at line 1, column 4"),
        (b"{}\nx", "something follows the manifest at line 2, column 1"),
        (b"{\"agents\": {}", "ends too early"),
        (b"{\"agents", "ends too early"),
        (b"{\"agents\": {},}", "comma before a closing bracket"),
        (b"{// agents\n}", "a comment"),
        (b"{\"agents\": /* none */ {}}", "a comment"),
        (b"{'agents': {}}", "a single quote"),
        (b"{agents: {}}", "not JSON at line 1, column 2"),
        (b"agents:\n  a:\n    name: x\n", "and the file is YAML"),
        (b"---\nagents: {}\n", "ends in `.yaml`"),
        (b"# agents\n- a\n", "not JSON at line 1"),
        (b"{\"a\": 1e999}", "not JSON"),
        (b"{\"a\": \"\\ud800\"}", "not JSON"),
        (b"nonsense", "not JSON at line 1"),
    ];
    for (bytes, said) in cases {
        let error = refused(bytes);
        assert!(error.contains(said), "{error:?} should say {said:?}");
    }
    for scalar in ["1", "\"x\"", "null", "true"] {
        assert!(refused(scalar.as_bytes()).contains("wanted an object"));
    }
}

#[test]
fn nothing_may_stand_twice_in_one_object() {
    let error = only("{\"agents\": {\"a\": {\"name\": \"x\", \"name\": \"x\"}}}");
    assert_eq!(error.path, "agents.a.name");
    assert!(error.problem.contains("stands twice"), "{error}");
    let error = only("{\"agents\": {\"a\": {}, \"\\u0061\": {}}}");
    assert_eq!(error.path, "agents.a", "another spelling of it is the same");
    let errors = bad("{\"agents\": {}, \"agents\": {}, \"refMap\": {}, \"refMap\": {}}");
    assert_eq!(errors.len(), 2, "both are told: {errors:?}");
}

#[test]
fn depth_is_limited() {
    let lists = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(refused(lists(32).as_bytes()).contains("wanted an object"));
    assert!(refused(lists(33).as_bytes()).contains("nested more than 32 deep"));
    assert!(refused("[".repeat(500_000).as_bytes()).contains("nested more than 32 deep"));
    assert!(refused("{\"a\":".repeat(200_000).as_bytes()).contains("nested more than 32 deep"));
}

#[test]
fn the_number_of_values_is_limited() {
    let list = |count: usize| format!("[{}0]", "0,".repeat(count - 1));
    assert!(refused(list(99_999).as_bytes()).contains("wanted an object"));
    assert!(refused(list(100_000).as_bytes()).contains("more than 100000 values"));
}

#[test]
fn size_and_number_of_files_are_limited() {
    let mut text = b"{}".to_vec();
    text.resize(1024 * 1024, b' ');
    assert!(parse(&[("m", &text)]).is_ok());
    assert!(parse(&[("m", &text), ("n", b" ")]).unwrap_err().to_string().contains("1048576"));
    let files = [("m", b"{}".as_slice()); 65];
    assert!(parse(&files[..64]).is_ok());
    assert!(parse(&files).unwrap_err().to_string().contains("one apply takes 64"));
    assert!(parse(&[]).unwrap_err().to_string().contains("no file"));
}

#[test]
fn a_megabyte_of_one_key_makes_a_short_error() {
    let text = format!("{{\"{}\": 1}}", "k".repeat(1_000_000));
    let error = refused(text.as_bytes());
    assert!(error.len() < 1000, "{} bytes", error.len());
}

/// Values of the shape of a manifest: its keys at any place, with anything in them.
pub(super) fn soup() -> impl Strategy<Value = serde_json::Value> {
    let tables = [
        tables::FILE,
        tables::AGENT,
        tables::GROUP,
        tables::CREDENTIAL,
        tables::OVERRIDE,
        tables::EXEC,
    ];
    let keys: Vec<String> =
        tables.iter().flat_map(|table| table.keys.iter().map(|key| (*key).to_owned())).collect();
    let key = prop_oneof![prop::sample::select(keys), ".{0,6}"];
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        ".{0,12}".prop_map(Into::into),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::vec((key.clone(), inner), 0..6)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_bytes_make_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&[("m", &bytes)]);
    }

    #[test]
    fn no_value_makes_a_panic_and_reading_is_deterministic(value in soup()) {
        let text = value.to_string();
        prop_assert_eq!(one(&text), one(&text));
    }

    #[test]
    fn a_seed_cut_or_with_a_byte_changed_makes_no_panic(
        seed in 0..SEEDS.len(), at in any::<prop::sample::Index>(), byte in any::<u8>()
    ) {
        let mut bytes = SEEDS[seed].1.as_bytes().to_vec();
        let at = at.index(bytes.len());
        let cut = parse(&[("m", &bytes[..at])]);
        prop_assert!(cut.is_err() || bytes[at..].trim_ascii().is_empty());
        bytes[at] = byte;
        let _ = parse(&[("m", &bytes)]);
    }
}
