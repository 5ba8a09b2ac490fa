use super::*;

fn own(names: &[&str]) -> Vec<(OsString, OsString)> {
    names.iter().map(|name| (OsString::from(*name), OsString::from("own"))).collect()
}

fn value(bytes: &[u8]) -> Arc<SecretValue> {
    Arc::new(SecretValue::new(bytes.to_vec()).unwrap())
}

fn shown(environment: &Environment) -> Vec<String> {
    let variables = environment.variables();
    variables.map(|(name, value)| format!("{}={}", name.display(), value.display())).collect()
}

#[test]
fn only_what_is_allowed_is_inherited() {
    let own = own(&[
        "PATH",
        "LC_ALL",
        "LD_PRELOAD",
        "AWS_SECRET_ACCESS_KEY",
        "HTTPS_PROXY",
        "SECRETREF_KEY",
        "PATHS",
    ]);
    let inherit = ["HTTPS_PROXY", "SECRETREF_KEY", "ABSENT"].map(|it| EnvVar::parse(it).unwrap());
    let environment = Environment::new(&own, &inherit, std::iter::empty());
    assert_eq!(shown(&environment), ["HTTPS_PROXY=own", "LC_ALL=own", "PATH=own"]);
}

#[test]
fn a_credential_wins_and_may_be_any_bytes_but_nul() {
    let (name, bytes) = (EnvVar::parse("TERM").unwrap(), value(&[0xff, b'=', b'\n']));
    let environment = Environment::new(&own(&["TERM"]), &[], [(&name, &bytes)].into_iter());
    let held: Vec<_> = environment.variables().collect();
    assert_eq!(held[0].1.as_bytes(), [0xff, b'=', b'\n']);
    assert!(unfit(&bytes).is_none());
    assert!(unfit(&value(b"a\0b")).is_some());
}

#[test]
fn fingerprints_are_of_the_bytes() {
    assert_eq!(fingerprint(&value(b"a")), fingerprint(&value(b"a")));
    assert_ne!(fingerprint(&value(b"a")), fingerprint(&value(b"b")));
}
