use super::*;

#[test]
fn names_in_the_grammar_are_taken_as_they_stand() {
    for name in ["a", "stripe-api-key", "prod/stripe/api_key.v2", &"a".repeat(128)] {
        assert_eq!(SecretName::parse(name).unwrap().as_str(), name);
    }
}

#[test]
fn names_outside_the_grammar_are_refused_and_never_normalised() {
    let long = "a".repeat(129);
    for name in [
        "", "A", "Stripe", " a", "a ", "-a", "_a", ".a", "/a", "a/", "a//b", "a/../b", "a/./b",
        "a\0b", "a\nb", "ä", "a%2fb", &long,
    ] {
        let error = SecretName::parse(name).unwrap_err();
        assert!(error.to_string().contains("secret name"), "{error}");
    }
    for name in ["..data", ".hidden", "a/b", "..", "-x", ""] {
        FileName::parse(name).unwrap_err();
    }
    for name in ["A=B", "1A", "A-B", ""] {
        EnvVar::parse(name).unwrap_err();
    }
}

#[test]
fn a_name_read_from_json_is_checked_too() {
    assert!(serde_json::from_str::<SecretName>("\"ok\"").is_ok());
    assert!(serde_json::from_str::<SecretName>("\"Not Ok\"").is_err());
}
