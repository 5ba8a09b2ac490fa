use super::*;

const HOUR: Validity = Validity { not_before: 1000, not_after: 1000 + 3600 };

#[test]
fn half_life_give_or_take_a_tenth() {
    assert_eq!(due(HOUR, None, 0.0), 1000 + 1620);
    assert_eq!(due(HOUR, None, 1.0), 1000 + 1980);
}

#[test]
fn a_life_counts_from_the_certificates_arrival() {
    // Dated back by 60 s, and 3 s to live: the middle of 63 s would be long gone.
    let short = Validity { not_before: 940, not_after: 1003 };
    assert_eq!(due(short, Some(1000), 0.5), 1001);
    assert_eq!(due(short, Some(1010), 0.5), 1011, "one that came too late is tried anew");
}

#[test]
fn ten_tries_in_what_is_left() {
    assert_eq!(again(HOUR, 1000), 1060);
    assert_eq!(again(HOUR, 4500), 4510);
    assert_eq!(again(HOUR, 9000), 9001);
}
