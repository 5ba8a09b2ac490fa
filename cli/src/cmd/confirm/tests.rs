use super::*;

#[test]
fn only_yes_is_yes() {
    for answer in ["y\n", "Y", "yes\r\n", " YES "] {
        assert!(is_yes(answer), "{answer:?}");
    }
    for answer in ["", "\n", "n", "yess", "ja", "y y"] {
        assert!(!is_yes(answer), "{answer:?}");
    }
}
