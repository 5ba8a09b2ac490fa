use super::*;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};

/// A certificate until a day of January 2027, and its key.
fn until(day: u8) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["example.org".to_owned()]).unwrap();
    params.not_after = date_time_ymd(2027, 1, day);
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

/// 2027-01-01T00:00:00Z.
const NEW_YEAR: i64 = 1_798_761_600;

#[test]
fn the_first_certificate_to_end_counts() {
    let ((early, key), (late, _)) = (until(2), until(9));
    let end = |pem: &str| first_end(pem.as_bytes()).map(|end| (end - NEW_YEAR) / 86_400 + 1);
    assert_eq!(end(&early), Some(2));
    assert_eq!(end(early.trim_end()), Some(2));
    assert_eq!(end(&late.replace('\n', "\r\n")), Some(9));
    assert_eq!(end(&format!("{late}{early}")), Some(2));
    assert_eq!(end(&format!("{early}{late}")), Some(2));
    assert_eq!(end(&format!("{key}{late}")), Some(9));
    assert_eq!(end(&format!("subject=CN = example.org\n{late}{key}")), Some(9));
}

#[test]
fn what_is_no_certificate_has_no_end() {
    let (pem, key) = until(2);
    let request = pem.replace("CERTIFICATE", "CERTIFICATE REQUEST");
    let (before, _) = pem.split_at(pem.len() / 2);
    let broken = format!("{pem}{PEM_BEGIN}\nAAAA\n{PEM_END}\n");
    let long = format!("{}{pem}", " ".repeat(PEM_BYTES_MAX));
    let empty = format!("{PEM_BEGIN}\n{PEM_END}\n");
    for text in ["", PEM_BEGIN, PEM_END, &key, &request, before, &broken, &long, &empty] {
        assert_eq!(first_end(text.as_bytes()), None, "{text}");
    }
    assert_eq!(first_end(&[pem.as_bytes(), b"\xff"].concat()), None);
    // A wrong byte in it makes it none, or one with an end all the same: nothing worse.
    let mut bytes = pem.into_bytes();
    for at in 0..bytes.len() {
        bytes[at] ^= 1;
        assert!(first_end(&bytes).is_none_or(|end| end != 0));
        bytes[at] ^= 1;
    }
}
