use super::*;
use serde_json::json;

#[test]
fn the_core_schema_and_nothing_of_1_1() {
    let texts = [
        "no",
        "yes",
        "on",
        "off",
        "y",
        "n",
        "NO",
        "Nil",
        "0o8",
        "0b1",
        "1_000",
        "12:30",
        "1e",
        "e1",
        "2027-03-08",
        "-",
        "+",
        ".",
        "0x",
        "0o",
        "0xg",
        "+-5",
        "1.2.3",
        "tRue",
        "0x-1",
        "1.e+",
        "--1",
    ];
    for text in texts {
        assert_eq!(resolve(text), Some(json!(text)), "{text}");
    }
    let others = [
        ("", json!(null)),
        ("~", json!(null)),
        ("Null", json!(null)),
        ("TRUE", json!(true)),
        ("False", json!(false)),
        ("0", json!(0)),
        ("0440", json!(440)),
        ("0o440", json!(288)),
        ("0x1F", json!(31)),
        ("-7", json!(-7)),
        ("+7", json!(7)),
        ("18446744073709551615", json!(u64::MAX)),
        ("18446744073709551616", json!(18446744073709551616.0)),
        ("1.5", json!(1.5)),
        ("1.", json!(1.0)),
        (".5", json!(0.5)),
        ("-1e3", json!(-1000.0)),
    ];
    for (text, value) in others {
        assert_eq!(resolve(text), Some(value), "{text}");
    }
    for text in [".inf", "-.INF", "+.Inf", ".nan", "1e999"] {
        assert_eq!(resolve(text), None, "{text}");
    }
}
