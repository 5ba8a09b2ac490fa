use super::*;

#[test]
fn details_are_cut_between_characters() {
    let long = "ä".repeat(DETAIL_BYTES_MAX);
    assert_eq!(cut(&long).len(), DETAIL_BYTES_MAX);
    assert_eq!(cut(&format!("x{long}")).len(), DETAIL_BYTES_MAX - 1);
    assert_eq!(cut("short"), "short");
}

#[test]
fn times_are_whole_and_a_fraction_also_before_the_epoch() {
    let name = SecretName::parse("a").unwrap();
    let at =
        |micros| wiped(&name, Version::FIRST, Timestamp::from_micros(micros)).apply_time.unwrap();
    assert_eq!((at(1_500_001).seconds, at(1_500_001).nanos), (1, 500_001_000));
    assert_eq!((at(-1).seconds, at(-1).nanos), (-1, 999_999_000));
}
