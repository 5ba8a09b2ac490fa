use super::*;

#[test]
fn the_checksum_is_that_of_github() {
    // The example of the articles on the format; it was never anybody's.
    let example = format!("{}_{}", "ghp", "zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq17");
    assert!(Check::Crc62.passes(example.as_bytes()));
    assert!(!Check::Crc62.passes(example.replace("zQ", "Qz").as_bytes()));
    assert_eq!(crc32(b"123456789"), 0xCBF4_3926, "the check value of CRC-32/ISO-HDLC");
}

#[test]
fn a_url_needs_a_password_that_is_one() {
    for (url, is) in [
        ("postgres://app:hunter2-x@db/app", true),
        ("postgres://app:$PASSWORD@db/app", false),
        ("postgres://app:password@db/app", false),
        ("postgres://app@db/app", false),
        ("https://host/a@b:c", false),
    ] {
        assert_eq!(Check::Url.passes(url.as_bytes()), is, "{url}");
    }
}

#[test]
fn a_web_token_names_its_algorithm() {
    let header = |json: &str| format!("{}.eyJ9.x", URL_SAFE_NO_PAD.encode(json));
    assert!(Check::Jwt.passes(header("{\"alg\":\"none\"}").as_bytes()));
    assert!(!Check::Jwt.passes(header("{\"typ\":\"JWT\"}").as_bytes()));
    assert!(!Check::Jwt.passes(b"eyJ"));
}
