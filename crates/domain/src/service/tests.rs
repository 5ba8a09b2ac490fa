use super::*;

#[test]
fn a_service_is_known_by_the_shape_of_its_credentials() {
    assert_eq!(of_shape(b"sk_live_51abc"), Some("stripe"));
    assert_eq!(of_shape(b"xoxe.xoxb-1-abc"), Some("slack"));
    assert_eq!(of_shape(b"https://hooks.slack.com/services/T/B/x"), Some("slack"));
    assert_eq!(of_shape(b"postgresql://u:p@h/d"), Some("postgres"));
    assert_eq!(of_shape(b"correct horse battery staple"), None);
    assert_eq!(of_shape(b""), None);
}

#[test]
fn else_by_the_first_word_of_its_name() {
    for (name, service) in
        [("stripe-api-key", "stripe"), ("slack_bot", "slack"), ("aws/key", "aws"), ("x", "x")]
    {
        assert_eq!(of_name(&SecretName::parse(name).unwrap()), service);
    }
}
