use super::*;

const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[test]
fn what_is_read_is_written() {
    let parent = TraceParent::parse(GOOD).unwrap();
    assert_eq!(parent.to_string(), GOOD);
    let json = serde_json::to_string(&parent).unwrap();
    assert_eq!(serde_json::from_str::<TraceParent>(&json).unwrap(), parent);
    // A later version may say more.
    let later = format!("{}-more", GOOD.replacen("00", "01", 1));
    assert_eq!(TraceParent::parse(&later), Ok(parent));
}

#[test]
fn what_is_none_is_refused() {
    for (from, to) in [
        ("00-4bf9", "ff-4bf9"),
        ("-01", "-00"),
        ("-01", "-01-more"),
        ("4bf92f3577b34da6a3ce929d0e0e4736", "00000000000000000000000000000000"),
        ("00f067aa0ba902b7", "0000000000000000"),
        ("4bf9", "4BF9"),
        ("4bf9", "4bf"),
        ("-01", ""),
    ] {
        let text = GOOD.replacen(from, to, 1);
        assert!(TraceParent::parse(&text).is_err(), "{text}");
    }
    assert!(TraceParent::parse("").is_err());
}
