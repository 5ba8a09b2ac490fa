use super::*;

#[test]
fn places_for_values_are_excused_and_values_are_not() {
    for text in ["${X}", "{{ x }}", "<x>", "process.env.X", "https://x", "/run/x", "***", "f(x)"] {
        assert!(value(text), "{text}");
    }
    assert!(!value("k3Jf9aQz7LmX2pRt"));
    assert!(shaped(b"sk_test_0123456789") && !shaped(b"sk_test_0918273645"));
    assert!(named("TOKEN_ID") && named("publicKey") && !named("API_TOKEN"));
}
