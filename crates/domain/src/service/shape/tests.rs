use super::*;

#[test]
fn a_shape_takes_the_whole_word_and_no_piece_of_one() {
    let shape = Shape::parse("ab_<d 3>");
    let around = |text: &str| {
        let anchor = text.find("ab_").unwrap();
        shape.around(text.as_bytes(), anchor).map(|range| text[range].to_owned())
    };
    for text in ["ab_123", "x=ab_123;", "\\nab_123", "%3Dab_123", "Go: ab_123."] {
        assert_eq!(around(text).as_deref(), Some("ab_123"), "{text}");
    }
    for text in ["xab_123", "ab_1234", "ab_12", "ab_123x"] {
        assert_eq!(around(text), None, "{text}");
    }
}

#[test]
fn what_stands_before_the_anchor_has_a_fixed_length() {
    let shape = Shape::parse("<x 4>-us<d 1-2>");
    assert_eq!(shape.anchor(), b"-us");
    assert_eq!(shape.around(b"k=00ff-us12", 6), Some(2..11));
    assert_eq!(shape.around(b"ff-us1", 2), None);
    assert!(shape.prefix().is_empty() && shape.is(b"00ff-us1"));
}
