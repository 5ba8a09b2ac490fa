use super::*;

const AGENT: &str = "0192f0a0-0000-7000-8000-000000000001";
const INSTANCE: &str = "0192f0a0-0000-7000-8000-000000000002";

fn domain() -> TrustDomain {
    TrustDomain::parse("example.org").unwrap()
}

#[test]
fn what_is_written_is_read_again() {
    let id = Uuid::from_u128;
    for subject in [
        Subject::Agent { agent: id(1), instance: id(2) },
        Subject::Admin { admin: id(3) },
        Subject::Broker { broker: id(4) },
    ] {
        assert_eq!(Subject::parse(&subject.uri(&domain()), &domain()), Ok(subject));
    }
}

#[test]
fn another_trust_domain_is_refused_by_name() {
    let uri = format!("spiffe://example.com/admin/{AGENT}");
    let error = Subject::parse(&uri, &domain()).unwrap_err();
    assert!(matches!(error, SubjectError::OtherDomain { .. }), "{error}");
    assert!(error.to_string().contains("example.org"));
}

#[test]
fn every_other_spelling_is_refused() {
    let upper = AGENT.to_uppercase();
    for uri in [
        String::new(),
        "https://example.org/agent".to_owned(),
        "spiffe://example.org".to_owned(),
        format!("SPIFFE://example.org/admin/{AGENT}"),
        format!("spiffe://EXAMPLE.org/admin/{AGENT}"),
        format!("spiffe://example.org/admin/{upper}"),
        format!("spiffe://example.org/admin/{}", AGENT.replace('-', "")),
        format!("spiffe://example.org/admin/{{{AGENT}}}"),
        format!("spiffe://example.org/admin/urn:uuid:{AGENT}"),
        format!("spiffe://example.org/admin/{AGENT}/"),
        format!("spiffe://example.org/admin//{AGENT}"),
        format!("spiffe://example.org/admin/{AGENT}/{INSTANCE}"),
        format!("spiffe://example.org/admin/{AGENT}?x=y"),
        format!("spiffe://example.org/admin/{AGENT}#x"),
        format!("spiffe://example.org/admin/{AGENT}\0"),
        format!("spiffe://example.org:443/admin/{AGENT}"),
        format!("spiffe://x@example.org/admin/{AGENT}"),
        format!("spiffe://example.org/agent/{AGENT}"),
        format!("spiffe://example.org/agent/{AGENT}/{INSTANCE}/{INSTANCE}"),
        format!("spiffe://example.org/Agent/{AGENT}/{INSTANCE}"),
        format!("spiffe://example.org/agent/../admin/{AGENT}"),
        format!("spiffe://example.org/root/{AGENT}"),
        "spiffe://example.org/admin/x".to_owned(),
    ] {
        Subject::parse(&uri, &domain()).expect_err(&uri);
    }
}

#[test]
fn a_trust_domain_has_one_spelling() {
    let long = "a".repeat(256);
    for given in ["", "Example.org", "spiffe://example.org", "example.org/", "a b", "é.org", &long]
    {
        TrustDomain::parse(given).expect_err(given);
    }
    assert_eq!(domain().to_string(), "example.org");
}
