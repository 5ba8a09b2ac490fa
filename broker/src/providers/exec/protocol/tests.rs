//! What is taken for an id, and what for an answer.

use super::{Answers, answers, id};
use crate::providers::{Permits, Place, ProviderError, exec::settings::Settings};
use secretref_domain::{
    fault::Fault,
    name::{ProviderAlias, SecretName},
    reference::{ProviderKind, ProviderSpec},
};
use serde_json::{Value, json};

const CANARY: &str = "Canary-in-an-answer";

fn settings(more: Value) -> Result<Settings, ProviderError> {
    let mut members = json!({"command": "/opt/resolver"}).as_object().unwrap().clone();
    members.extend(more.as_object().unwrap().clone());
    let spec = ProviderSpec { kind: ProviderKind::Exec, settings: members };
    Settings::read(&ProviderAlias::parse("op").unwrap(), &spec, &Permits::default())
}

fn read(output: &str, ids: &[&str], json_only: bool) -> Result<Answers, ProviderError> {
    let settings = settings(json!({"jsonOnly": json_only})).unwrap_or_else(|it| panic!("{it}"));
    answers(output.as_bytes(), ids, &settings)
}

fn place(target: Option<&str>, path: Option<&str>) -> Place {
    Place {
        reference: SecretName::parse("prod/stripe.key").unwrap(),
        target: target.map(str::to_owned),
        path: path.map(str::to_owned),
    }
}

fn value(answers: &Answers, id: &str) -> String {
    let found = answers.of(id).unwrap_or_else(|error| panic!("{error}"));
    String::from_utf8(found.value.expose().to_vec()).unwrap()
}

fn fault(answers: &Answers, id: &str) -> Fault {
    let error = answers.of(id).err().expect("it has a value");
    assert!(!error.to_string().contains(CANARY), "{error}");
    error.fault
}

#[test]
fn an_id_is_one_that_openclaw_takes() {
    let said = |target, path| id(&place(target, path)).map_err(|error| error.fault);
    assert_eq!(said(None, None).unwrap(), "prod/stripe.key");
    assert_eq!(said(Some("Vault:a/b_c#d-1"), None).unwrap(), "Vault:a/b_c#d-1");
    assert_eq!(said(Some("a"), Some("b")).unwrap(), "b");
    let (longest, long) = ("a".repeat(256), "a".repeat(257));
    assert!(said(Some(&longest), None).is_ok());
    for wrong in ["", "/a", ".a", "-a", "a/../b", "a/.", "a b", "ä", "a\n", "a/./b", &long] {
        assert_eq!(said(Some(wrong), None), Err(Fault::Misconfigured), "{wrong:?}");
    }
}

#[test]
fn every_id_has_an_outcome_of_its_own() {
    let output = json!({
        "protocolVersion": 1, "more": 1,
        "values": {"a": "one", "b": 2, "e": "", "l": "x".repeat(65_537), "n": "unread", "z": "?"},
        "errors": {
            "n": {"code": "NOT_FOUND", "message": CANARY}, "d": {"code": "FORBIDDEN"},
            "t": {"code": "TIMEOUT"}, "s": {"code": "LOCKED"}, "o": {"code": CANARY},
            "k": {"code": "AMBIGUOUS_DUPLICATE_KEY"}, "x": CANARY
        }
    });
    let ids = ["a", "b", "c", "d", "e", "k", "l", "n", "o", "s", "t", "x"];
    let answers = read(&format!("\n{output}\n"), &ids, true).unwrap_or_else(|it| panic!("{it}"));
    assert_eq!(value(&answers, "a"), "one");
    for (id, wanted) in [
        ("b", Fault::Malformed),
        ("c", Fault::Malformed),
        ("d", Fault::Denied),
        ("e", Fault::Malformed),
        ("k", Fault::Malformed),
        ("l", Fault::TooLarge),
        ("n", Fault::NotFound),
        ("o", Fault::Unreachable),
        ("s", Fault::Sealed),
        ("t", Fault::TimedOut),
        ("x", Fault::Unreachable),
    ] {
        assert_eq!(fault(&answers, id), wanted, "{id}");
    }
    assert!(!answers.0.contains_key("z"), "what nobody asked for is not kept");
}

#[test]
fn what_is_no_answer_is_malformed_as_a_whole() {
    for output in [
        "",
        " \n",
        CANARY,
        "[]",
        "null",
        "{}",
        "{\"protocolVersion\":2,\"values\":{}}",
        "{\"protocolVersion\":\"1\",\"values\":{}}",
        "{\"protocolVersion\":1}",
        "{\"protocolVersion\":1,\"values\":[]}",
        "{\"protocolVersion\":1,\"values\":{},\"errors\":[]}",
        "{\"protocolVersion\":1,\"values\":{}} Canary-in-an-answer",
    ] {
        let error = read(output, &["a"], true).err().expect(output);
        assert_eq!(error.fault, Fault::Malformed, "{output}");
        assert!(!error.to_string().contains(CANARY), "{error}");
    }
}

#[test]
fn a_bare_value_is_taken_for_a_single_id_where_it_may_be_one() {
    let one = |output: &str| {
        let answers = read(output, &["a"], false).unwrap_or_else(|error| panic!("{error}"));
        value(&answers, "a")
    };
    assert_eq!(one(" bare value\n"), "bare value");
    assert_eq!(one("\"a \\u0062\"\n"), "a b");
    assert_eq!(one("123456\n"), "123456");
    assert_eq!(one("{\"protocolVersion\":1,\"values\":{\"a\":\"json\"}}"), "json");
    assert!(read("{\"other\":\"object\"}", &["a"], false).is_err());
    assert!(read("bare", &["a", "b"], false).is_err());
    assert!(read("", &["a"], false).is_err());
}

#[test]
fn settings_that_are_lacking_or_dangerous_are_named() {
    let refused = |more: Value| {
        let error = settings(more).err().expect("it was taken");
        assert_eq!(error.fault, Fault::Misconfigured);
        error.to_string()
    };
    assert!(settings(json!({"env": {"LANG": "C"}})).is_ok());
    assert!(refused(json!({"command": null})).contains("has no `command`"));
    assert!(refused(json!({"command": "bin/resolver"})).contains("not whole"));
    assert!(refused(json!({"trustedDirs": ["bin"]})).contains("`trustedDirs`"));
    assert!(refused(json!({"passEnv": ["HOME"]})).contains("passes the variable HOME"));
    for name in ["PATH", "LD_PRELOAD", "BASH_ENV", "PYTHONPATH", "NODE_OPTIONS", "PERL5OPT"] {
        let said = refused(json!({"env": {name: "/tmp/code"}}));
        assert!(said.contains(name) && said.contains("provider_environment"), "{said}");
    }
}
