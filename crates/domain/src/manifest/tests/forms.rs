//! JSON, JSON5 and YAML: which file is which, what each refuses, and that they say the same.

use super::*;
use proptest::prelude::*;
use serde_json::Value;

fn refused(name: &str, text: &str) -> String {
    let errors = parse(&[(name, text.as_bytes())]).unwrap_err();
    assert_eq!(errors.0.len(), 1, "{errors}");
    errors.to_string()
}

fn taken(name: &str, text: &str) -> Manifest {
    parse(&[(name, text.as_bytes())]).unwrap_or_else(|errors| panic!("refused:\n{errors}\n{text}"))
}

const JSON: &str = "{\"agents\": {\"a\": {\"name\": \"no\"}}}";
const JSON5: &str = "// one\n{agents: {a: {name: 'no',},},}\n/* end */";
const YAML: &str = "# one\nagents:\n  a:\n    name: no\n";

#[test]
fn the_ending_of_a_name_says_the_form_else_the_content_does() {
    for (names, text) in [
        (["m.json", "M.JSON", "standard input", "m.json5", "m.yaml"], JSON),
        (["m.json5", "M.Json5", "standard input", "manifest", "m.txt"], JSON5),
        (["m.yaml", "m.yml", "M.YAML", "standard input", "m.txt"], YAML),
    ] {
        for name in names {
            assert_eq!(taken(name, text), taken("m.json", JSON), "{name}");
        }
    }
    for (name, text, ending) in [
        ("m.json", JSON5, ".json5"),
        ("m.json", YAML, ".yaml"),
        ("m.json5", YAML, ".yaml"),
        ("m.yaml", JSON5, ".json5"),
    ] {
        let error = refused(name, text);
        assert!(error.contains(&format!("so that it ends in `{ending}`")), "{error}");
        assert!(error.contains("line "), "{error}");
    }
}

#[test]
fn json5_is_told_what_is_wrong_with_it() {
    for (text, said) in [
        ("{a: 1} x", "something follows the manifest at line 1, column 8"),
        ("{a: 1} nul", "something follows"),
        ("{a: 1} null", "something follows"),
        ("{a: 1}\n{", "something follows"),
        ("{a: 1} /* ", "ends too early"),
        ("{a: [1", "ends too early"),
        ("{a: 'x\ny'}", "at line 1, column 7: line terminator in string"),
        ("{a: 0440}", "leading zero"),
        ("{agents: Infinity}", "infinite"),
        ("{agents: -NaN}", "infinite, or none"),
        ("{agents: 1e999}", "infinite"),
        ("{agents: {a: {}, 'a': {}}}", "agents.a: the key \"a\" stands twice"),
    ] {
        let error = refused("m.json5", text);
        assert!(error.contains(said), "{error:?} should say {said:?}");
    }
    let deep = format!("{{}} {}", "[".repeat(500_000));
    assert!(refused("m.json5", &deep).contains("something follows"));
    for open in ["[", "{a:"] {
        let error = refused("m.json5", &open.repeat(200_000));
        assert!(error.contains("nested more than 32 deep"), "{error}");
    }
}

#[test]
fn yaml_is_told_what_is_wrong_with_it() {
    for (text, said) in [
        ("# nothing\n", "the file is empty"),
        ("---\n", "found `null`, wanted an object"),
        ("agents: {}\n---\nagents: {}\n", "a second document begins at line 2, column 1"),
        ("agents: &x {}\n", "an anchor or an alias (`&` or `*`) at line 1"),
        ("agents: &x {}\nagent: *x\n", "an anchor or an alias"),
        ("agents: !!map {}\n", "a tag (`!`) at line 1"),
        ("agents:\n  a:\n    name: !!str 1\n", "agents.a.name: a tag"),
        ("agents:\n  1: {}\n", "the key \"1\" at line 2, column 3 is no text"),
        ("agents:\n  true: {}\n", "is no text"),
        ("agents:\n  ~: {}\n", "is no text"),
        ("agents:\n  : {}\n", "a key is missing"),
        ("agents:\n  ? [a]\n  : {}\n", "a list or a mapping stands as a key"),
        ("agents:\n  ? {a: b}\n  : {}\n", "a list or a mapping stands as a key"),
        ("agents:\n  a: {}\n  'a': {}\n", "agents.a: the key \"a\" stands twice"),
        ("agents:\n\ta: {}\n", "the file is not YAML at line 2"),
        ("agents: [\n", "the file is not YAML"),
        ("agents: {\n", "the file is not YAML"),
        ("agents: \"a\n", "the file is not YAML"),
        ("agents: @a\n", "unexpected character."),
        ("agents: .inf\n", "infinite"),
        ("agents: 1e999\n", "infinite"),
        ("<<: {}\n", "the key \"<<\" is unknown"),
    ] {
        let error = refused("m.yaml", text);
        assert!(error.contains(said), "{error:?} should say {said:?}");
    }
    let indented: String = (0..100).map(|depth| format!("\n{}a:", " ".repeat(depth))).collect();
    for text in ["[".repeat(100_000), "{a: ".repeat(100_000), "- ".repeat(100_000), indented] {
        let error = refused("m.yaml", &text);
        assert!(error.contains("nested more than 32 deep"), "{error}");
    }
    let list = format!("agents: [{}0]", "0,".repeat(100_000));
    assert!(refused("m.yaml", &list).contains("more than 100000 values"));
}

#[test]
fn a_bomb_of_aliases_is_one_short_error() {
    let mut text = String::from("a: &a [x, x]\n");
    for (at, name) in ('b'..='z').enumerate() {
        let before = char::from(b'a' + u8::try_from(at).unwrap());
        text.push_str(&format!("{name}: &{name} [*{before}, *{before}]\n"));
    }
    assert!(refused("m.yaml", &text).len() < 500);
}

/// A bare `0440` is a number of YAML, and 440 in decimal; it must not become a mode.
#[test]
fn a_mode_is_a_text_in_every_form() {
    let yaml = |mode: &str| {
        format!(
            "agents:\n  a:\n    tool-bindings:\n      t:\n        credentials:\n          k:\n\
             \x20           \
             secretRef: s\n            mode: {mode}\n"
        )
    };
    for mode in ["0440", "440", "0o440", "288", "4.4e2"] {
        let error = refused("m.yaml", &yaml(mode));
        assert!(error.contains("octal digits in quotes"), "{mode}: {error}");
    }
    for mode in ["'0440'", "\"440\""] {
        let credential = &taken("m.yaml", &yaml(mode)).agents["a"].tools["t"].credentials["k"];
        assert_eq!(credential.mode, Some(0o440));
    }
    let json5 =
        "{agents: {a: {'tool-bindings': {t: {credentials: {k: {secretRef: 's', mode: 0x120}}}}}}}";
    assert!(refused("m.json5", json5).contains("octal digits in quotes"));
}

#[test]
fn no_error_of_any_form_repeats_a_text() {
    const VALUE: &str = "sk_live_51CanaryCanaryCanary";
    for text in [
        format!("agents: {VALUE}: x"),
        format!("agents: \"{VALUE}"),
        format!("agents: @{VALUE}"),
        format!("agents: !{VALUE} x"),
        format!("agents: &{VALUE} x"),
        format!("agents: *{VALUE}"),
        format!("%{VALUE}\n---\n"),
        format!("agents:\n {VALUE}\n  x: y"),
        format!("{VALUE}: x"),
        format!("{{agents: '{VALUE}"),
        format!("{{agents: {VALUE}}}"),
        format!("{{agents: '\\u{VALUE}'}}"),
        format!("{{agents: {{}}}} {VALUE}"),
        VALUE.to_owned(),
    ] {
        for name in ["m.json", "m.json5", "m.yaml", "m"] {
            let error = parse(&[(name, text.as_bytes())]).unwrap_err().to_string();
            assert!(!error.contains("Canary"), "{name}: {text}: {error}");
        }
    }
}

/// A value as JSON5, with whatever JSON has not.
fn json5(value: &Value) -> String {
    let word = |key: &str| !key.is_empty() && key.bytes().all(|b| b.is_ascii_lowercase());
    match value {
        Value::Object(members) => {
            let members = members.iter().map(|(key, value)| {
                let key =
                    if word(key) { key.clone() } else { Value::from(key.as_str()).to_string() };
                format!("{key}: {}, // next\n", json5(value))
            });
            format!("{{/**/{}}}", members.collect::<String>())
        }
        Value::Array(items) => {
            let items = items.iter().map(|item| format!("{},", json5(item)));
            format!("[{}]", items.collect::<String>())
        }
        Value::String(text) if word(text) => format!("'{text}'"),
        other => other.to_string(),
    }
}

/// A value as YAML in blocks, texts without quotes where they are words.
fn yaml(value: &Value, indent: usize) -> String {
    let pad = " ".repeat(indent);
    match value {
        Value::Object(members) if !members.is_empty() => members
            .iter()
            .map(|(key, value)| format!("\n{pad}{}: {}", yaml_text(key), yaml(value, indent + 2)))
            .collect(),
        Value::Array(items) if !items.is_empty() => {
            items.iter().map(|item| format!("\n{pad}- {}", yaml(item, indent + 2))).collect()
        }
        Value::String(text) => yaml_text(text),
        other => other.to_string(),
    }
}

fn yaml_text(text: &str) -> String {
    let inside = |c: char| c.is_ascii_alphanumeric() || "-_/.".contains(c);
    let word = text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(inside);
    if word && !["true", "false", "null"].contains(&text.to_ascii_lowercase().as_str()) {
        return text.to_owned();
    }
    let escaped: String = text
        .chars()
        .map(|c| match c {
            '"' | '\\' => format!("\\{c}"),
            ' '..='~' => c.to_string(),
            _ => format!("\\U{:08x}", u32::from(c)),
        })
        .collect();
    format!("\"{escaped}\"")
}

/// What a file comes to, whatever it is called.
fn outcome(name: &str, text: &str) -> Result<Manifest, Vec<(String, String)>> {
    parse(&[(name, text.as_bytes())])
        .map_err(|errors| errors.0.into_iter().map(|error| (error.path, error.problem)).collect())
}

fn assert_same(value: &Value) {
    let json = outcome("m.json", &value.to_string());
    let json5 = json5(value);
    assert_eq!(outcome("m.json5", &json5), json, "{json5}");
    let yaml = yaml(value, 0);
    assert_eq!(outcome("m.yaml", &yaml), json, "{yaml}");
}

#[test]
fn the_examples_are_the_same_in_every_form() {
    for text in SEEDS.iter().map(|(_, text)| *text).chain([EVERY_KEY]) {
        let value: Value = serde_json::from_str(text).unwrap();
        assert!(outcome("m.json", text).is_ok());
        assert_same(&value);
    }
}

proptest! {
    #[test]
    fn every_value_is_the_same_in_every_form(value in bytes::soup()) {
        // Almost any text is something to YAML; what begins a file is an object here.
        if value.is_object() {
            assert_same(&value);
        }
    }

    #[test]
    fn no_text_of_any_form_makes_a_panic(
        name in prop::sample::select(vec!["m.json", "m.json5", "m.yaml", "m"]),
        text in "[\\[\\]{}:,#&*!|>'\"%@`?~<=\\\\/ \n\tabn01.\\-]{0,60}",
    ) {
        let _ = parse(&[(name, text.as_bytes())]);
    }

    #[test]
    fn an_example_cut_or_with_a_byte_changed_makes_no_panic(
        at in any::<prop::sample::Index>(), byte in any::<u8>(), json in any::<bool>()
    ) {
        let value: Value = serde_json::from_str(EVERY_KEY).unwrap();
        let name = if json { "m.json5" } else { "m.yaml" };
        let text = if json { json5(&value) } else { yaml(&value, 0) };
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len());
        let _ = parse(&[(name, &bytes[..at])]);
        bytes[at] = byte;
        let _ = parse(&[(name, &bytes)]);
    }
}
