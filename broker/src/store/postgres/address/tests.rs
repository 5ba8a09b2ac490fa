use super::parse;
use crate::store::StoreError;
use sqlx::postgres::PgSslMode;

fn refusal(url: &str) -> String {
    match parse(url) {
        Err(StoreError::Unusable(why)) => why,
        Err(other) => panic!("{url}: another error: {other}"),
        Ok(_) => panic!("{url}: not refused"),
    }
}

#[test]
fn another_host_is_always_verified() {
    for url in [
        "postgres://broker@db.example.com/secretref",
        "postgresql://broker@db.example.com/secretref?sslmode=verify-full",
        "postgres://broker@localhost/secretref?host=db.example.com",
        "postgres://broker@10.0.0.7/secretref",
    ] {
        let options = parse(url).unwrap();
        assert!(matches!(options.get_ssl_mode(), PgSslMode::VerifyFull), "{url}");
    }
}

#[test]
fn another_host_with_less_is_refused_with_the_fix() {
    for mode in ["disable", "allow", "prefer", "require", "verify-ca"] {
        let why = refusal(&format!("postgres://b:s3cret@db.example.com/secretref?sslmode={mode}"));
        assert!(why.contains("sslmode=verify-full") && why.contains("db.example.com"), "{why}");
        assert!(!why.contains("s3cret"), "{why}");
    }
}

#[test]
fn this_machine_needs_no_encryption() {
    for url in [
        "postgres://broker@localhost/secretref",
        "postgres://broker@127.0.0.1:5433/secretref",
        "postgres://broker@[::1]/secretref",
        "postgres://broker@localhost/secretref?host=/run/postgresql&port=5433",
    ] {
        let options = parse(url).unwrap();
        assert!(matches!(options.get_ssl_mode(), PgSslMode::Disable), "{url}");
    }
    let options = parse("postgres://broker@localhost/secretref?sslmode=verify-full").unwrap();
    assert!(matches!(options.get_ssl_mode(), PgSslMode::VerifyFull));
}

#[test]
fn what_is_not_known_is_refused() {
    let why = refusal("postgres://broker@localhost/secretref?synchronous_commit=off");
    assert!(why.contains("synchronous_commit") && why.contains("sslrootcert"), "{why}");
    refusal("postgres://broker@localhost/secretref?options=-c%20fsync%3Doff");
    refusal("postgres://broker@localhost/secretref?sslmode=never");
    refusal("postgres://broker@localhost:99999/secretref");
}
