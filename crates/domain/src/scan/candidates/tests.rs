use super::*;
use base64::{Engine as _, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};

const VALUE: &str = "correct horse/battery+staple";
const KEY: [u8; 32] = [7; 32];

fn finds(text: &str, format: Format) -> bool {
    let wanted = keyed(&KEY, VALUE.as_bytes());
    candidates(text, format, &KEY).iter().any(|it| it.digests.contains(&wanted))
}

#[test]
fn a_value_is_known_under_any_name_and_encoding() {
    let hex: String = VALUE.bytes().map(|byte| format!("{byte:02x}")).collect();
    let spellings = [
        VALUE.to_owned(),
        format!("  {VALUE}\\n"),
        BASE64_STANDARD.encode(VALUE),
        BASE64_URL_SAFE_NO_PAD.encode(VALUE),
        hex.to_uppercase(),
        format!("0x{hex}"),
        "correct%20horse%2Fbattery%2Bstaple".to_owned(),
    ];
    for spelling in &spellings {
        assert!(finds(&format!("{{\"any\": \"{spelling}\"}}"), Format::Json), "{spelling}");
        assert!(finds(&format!("any: \"{spelling}\"\n"), Format::Yaml), "{spelling}");
    }
    assert!(finds(&format!("export ANY='{VALUE}'\n"), Format::Shell));
    assert!(finds(&format!("{VALUE}\n"), Format::Json), "a file that is nothing but a value");
}

#[test]
fn what_is_another_is_not_known_and_the_key_counts() {
    assert!(!finds("{\"any\": \"correct horse\"}", Format::Json));
    let text =
        format!("{{\"any\": \"{VALUE}\"}} // secretref:allow\n{{\"b\": \"something else\"}}");
    assert!(!finds(&text, Format::Json));
    let text = format!("{{\"any\": \"{VALUE}\"}}");
    let other = candidates(&text, Format::Json, &[8; 32]);
    let wanted = keyed(&KEY, VALUE.as_bytes());
    assert!(other.iter().all(|it| !it.digests.contains(&wanted)), "the digest of another key");
    assert!(
        candidates("{\"a\": \"short\"}", Format::Json, &KEY).iter().all(|it| it.range.len() > 5)
    );
}

#[test]
fn encodings_that_are_none_are_passed_over() {
    for text in ["%", "%2", "%zz", "abc%", "a%2"] {
        assert!(unpercent(text).is_none(), "{text}");
    }
    for text in ["", "0", "0x", "xyz0", "abc"] {
        assert!(unhex(text).is_none(), "{text}");
    }
    assert_eq!(&**unhex("00fF").unwrap(), [0, 0xff]);
    assert_eq!(&**unpercent("%C3%a4b").unwrap(), "äb".as_bytes());
}
