use super::*;

fn read(text: &str) -> Document {
    Document::parse(Zeroizing::new(text.to_owned())).unwrap()
}

fn of(text: &str) -> Standing {
    let document = read(text);
    standing(&document, document.root())
}

#[test]
fn every_form_of_a_ref_is_told_from_a_value() {
    let by = |source, provider: Option<&str>, id: &str| {
        Standing::Ref(Ref { source, provider: provider.map(str::to_owned), id: id.to_owned() })
    };
    assert_eq!(of("'${OPENAI_KEY}'"), by(Source::Env, None, "OPENAI_KEY"));
    assert_eq!(of("'$OPENAI_KEY'"), by(Source::Env, None, "OPENAI_KEY"));
    assert_eq!(of("{source: 'env', id: 'A'}"), by(Source::Env, None, "A"));
    let exec = "{\"source\": \"exec\", \"provider\": \"p\", \"id\": \"a/b\"}";
    assert_eq!(of(exec), by(Source::Exec, Some("p"), "a/b"));
    for text in ["'sk-1'", "'$lower'", "'Bearer ${A}'", "'${A'", "'$'", "{type: 'account'}"] {
        assert_eq!(of(text), Standing::Plaintext, "{text}");
    }
    for text in ["''", "'  '", "null"] {
        assert_eq!(of(text), Standing::Nothing, "{text}");
    }
    for text in ["1", "true", "[]", "{}", "{source: 'other', id: 'a'}", "{source: 'env'}"] {
        assert_eq!(of(text), Standing::Odd, "{text}");
    }
    assert_eq!(of("'__OPENCLAW_REDACTED__'"), Standing::Redacted);
}

#[test]
fn a_value_is_the_string_or_the_object_as_json() {
    for (text, value) in [
        ("'a\\n\"b\\u00e4'", "a\n\"bä"),
        (
            "{/* c */ key: 'x\\ny', n: 0x10, list: [true, null,],}",
            "{\"key\":\"x\\ny\",\"n\":16,\"list\":[true,null]}",
        ),
    ] {
        let document = read(text);
        let read = plaintext(&document, document.root()).unwrap();
        assert_eq!(read.expose(), value.as_bytes(), "{text}");
    }
    let document = read(&format!("'{}'", "x".repeat(70_000)));
    assert!(matches!(plaintext(&document, document.root()), Err(ValueError::TooLong(_))));
}
