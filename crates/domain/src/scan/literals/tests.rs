use super::*;

fn pairs(text: &str, format: Format) -> Vec<(Option<String>, String)> {
    let literals = read(text, format);
    for it in &literals {
        assert!(it.decoded || text[it.range.clone()] == **it.value, "{:?} of {text}", it.range);
    }
    literals.into_iter().map(|it| (it.name, it.value.to_string())).collect()
}

fn one(name: &str, value: &str) -> Vec<(Option<String>, String)> {
    vec![(Some(name.to_owned()), value.to_owned())]
}

#[test]
fn a_name_and_its_value_are_read_in_each_format() {
    for (text, format) in [
        ("{\"a\": \"x/y\"}", Format::Json),
        ("{\"a\":\"x\\u002fy\"}", Format::Json),
        ("{a: 'x/y',}", Format::Json),
        ("a = \"x/y\"\n", Format::Json),
        ("a = '''x/y'''\n", Format::Json),
        ("a: x/y\n", Format::Yaml),
        ("a: |\n  x/y\n", Format::Yaml),
        ("- a: 'x/y'\n", Format::Yaml),
        ("a=x/y", Format::Shell),
        ("a=x'/'\"y\"\n", Format::Shell),
        ("--a=x/y", Format::Shell),
        ("--a 'x/y'", Format::Shell),
        ("[\"--a\", \"x/y\"]", Format::Json),
        ("[\"--a=x/y\"]", Format::Json),
        ("a := \"x\" + \"/y\"", Format::Json),
    ] {
        let mut found = pairs(text, format);
        found.retain(|(_, value)| value != "-");
        assert_eq!(found, one("a", "x/y"), "{text}");
    }
}

#[test]
fn all_of_a_list_stands_under_its_name() {
    let found = pairs("{\"a\": [\"x\",\n \"y\"], \"b\": 1}", Format::Json);
    let named: Vec<&str> = found.iter().map(|(name, _)| name.as_deref().unwrap()).collect();
    assert_eq!(named, ["a", "a", "b"]);
}

#[test]
fn an_apostrophe_does_not_swallow_the_rest() {
    let found = pairs("# don't\na: x\n# it's\n", Format::Yaml);
    assert!(found.contains(&(Some("a".into()), "x".into())), "{found:?}");
}

#[test]
fn anything_is_read_without_a_panic() {
    let pieces =
        ["\"", "'", "\\", "\\u", "\\ud83d", "é", "=", ":", "\n", "--", "[", "]", "+", "$'"];
    for first in pieces {
        for second in pieces {
            for third in pieces {
                let text = format!("a{first}{second}b{third}");
                for format in [Format::Json, Format::Yaml, Format::Shell] {
                    let _ = pairs(&text, format);
                }
            }
        }
    }
}
