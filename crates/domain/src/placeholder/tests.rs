//! What looks like an example.

use super::looks_like_example;

#[test]
fn examples_are_seen_and_credentials_are_not() {
    for example in [
        "sk_live_51xxxxxxxxxxxx",
        "xoxb-xxxxxxxxxxxxxxxx",
        "AKIAIOSFODNN7EXAMPLE",
        "your-api-key",
        "CHANGEME",
        "********",
        "00000000",
    ] {
        assert!(looks_like_example(example.as_bytes()), "{example}");
    }
    for real in [
        "sk_live_51Hx9aQw3kTzR8vN2bLc7YpM",
        "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
        "hunter2",
        "xxxxx",
        "postgres://app:aaaaaa1938475610293847566@db/app",
        "        ",
    ] {
        assert!(!looks_like_example(real.as_bytes()), "{real}");
    }
}
