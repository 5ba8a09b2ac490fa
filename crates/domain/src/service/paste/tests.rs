use super::*;
use crate::service::check::crc62_digits;

fn github() -> String {
    let body = "zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ";
    let digits = crc62_digits(body.as_bytes());
    format!("{}_{body}{}", "ghp", str::from_utf8(&digits).unwrap())
}

fn stripe(mode: &str) -> String {
    format!("{mode}_live_{}", "51HfTxKJ2eZvKYlo2C8nqXw4")
}

#[test]
fn a_right_paste_is_no_complaint() {
    for said in [None, Some("github"), Some("GitHub"), Some("our-own")] {
        assert_eq!(complaint(github().as_bytes(), said), None);
        assert_eq!(complaint(b"correct horse battery staple", said), None);
        assert_eq!(complaint(b"", said), None);
    }
    assert_eq!(complaint(format!("{}\n", github()).as_bytes(), Some("github")), None);
    assert_eq!(complaint(stripe("sk").as_bytes(), Some("stripe")), None);
    // The user's own words, and what belongs to no one service.
    assert_eq!(complaint(b"A=B", None), None);
    assert_eq!(complaint(b"postgres://u:pw-1@h/d", Some("stripe")), None);
}

#[test]
fn a_wrong_paste_is_told_with_what_it_is() {
    let github = github();
    let other = complaint(github.as_bytes(), Some("stripe"));
    assert!(matches!(other, Some(Complaint::OtherService { found: "github", .. })), "{other:?}");
    let cut = complaint(&github.as_bytes()[..38], None);
    assert!(matches!(cut, Some(Complaint::Malformed { bytes: 38, .. })), "{cut:?}");
    let swapped = github.replace("zQ", "Qz");
    let sum = complaint(swapped.as_bytes(), None);
    assert!(matches!(sum, Some(Complaint::Checksum { service: "github", .. })), "{sum:?}");
    let public = complaint(stripe("pk").as_bytes(), Some("stripe"));
    assert_eq!(public, Some(Complaint::Publishable));
    for (text, around) in [
        (format!("STRIPE_KEY={}", stripe("sk")), "the name of its variable"),
        (format!("export K='{}'", stripe("sk")), "the name of its variable"),
        (format!("\"{}\"", stripe("sk")), "quotes"),
    ] {
        let wrapped = complaint(text.as_bytes(), None);
        let right =
            matches!(&wrapped, Some(Complaint::Wrapped { around: it, .. }) if *it == around);
        assert!(right, "{wrapped:?}");
    }
}

#[test]
fn no_complaint_repeats_the_value() {
    for value in [stripe("pk"), github()[..38].to_owned(), format!("\"{}\"", stripe("sk"))] {
        let said = complaint(value.as_bytes(), None).unwrap();
        let piece = &value[12..20];
        assert!(!format!("{said} {said:?}").contains(piece), "{said}");
    }
}
