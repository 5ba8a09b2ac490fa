use super::Query;
use secretref_domain::version::Version;
use std::time::Duration;

#[test]
fn what_can_be_asked_for_is_read() {
    let query = Query::parse(Some("wait=30s&version=7")).unwrap();
    assert_eq!(query.wait, Duration::from_secs(30));
    assert!(query.knows(Version::new(7).unwrap()) && !query.knows(Version::new(8).unwrap()));
    assert_eq!(Query::parse(Some("version=0")).unwrap().has, Some(None));
    assert_eq!(Query::parse(Some("wait=1m&version=1")).unwrap().wait, Duration::from_mins(1));
    assert_eq!(Query::parse(Some("")).unwrap(), Query::default());
    assert_eq!(Query::parse(None).unwrap(), Query::default());
}

#[test]
fn what_cannot_is_refused() {
    for wrong in [
        "wait=30s",
        "wait=61s&version=1",
        "wait=2m&version=1",
        "wait=30&version=1",
        "wait=&version=1",
        "wait=-1s&version=1",
        "wait=99999999999999999999s&version=1",
        "version=",
        "version=-1",
        "version=+1",
        "version=v7",
        "version=9223372036854775808",
        "version=1&version=1",
        "values=1",
        "x",
    ] {
        assert!(Query::parse(Some(wrong)).is_err(), "{wrong}");
    }
}
