use super::*;

#[test]
fn a_field_of_a_header_has_no_spaces_and_an_end() {
    assert_eq!(printable("a host\n", 255), "ahost");
    assert_eq!(printable("", 255), "-");
    assert_eq!(printable("ключ", 255), "-");
    assert_eq!(printable(&"a".repeat(40), ID_CHARS_MAX).len(), 32);
}
