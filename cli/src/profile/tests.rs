use super::*;
use crate::failure::Exit;
use std::os::unix::fs::PermissionsExt;

const TEXT: &str = r#"
[profiles.default]
address = "127.0.0.1:7444"
ca = "/a/ca.crt"
cert = "admin.crt"
key = "admin.key"
"#;

fn config(text: &str) -> (tempfile::TempDir, Config) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    fs::write(&path, text).unwrap();
    (folder, Config { profiles: Some(path), ..Config::default() })
}

#[test]
fn the_default_profile_is_taken_and_relative_paths_lie_beside_it() {
    let (folder, config) = config(TEXT);
    let profile = Profile::choose(&config, None).unwrap();
    assert_eq!(profile.address, "127.0.0.1:7444");
    assert_eq!(profile.ca, Path::new("/a/ca.crt"));
    assert_eq!(profile.key, folder.path().join("admin.key"));
}

#[test]
fn the_environment_goes_before_the_default_and_after_a_name() {
    let (_folder, mut config) = config(TEXT);
    config.address = Some("broker:1".to_owned());
    config.ca = Some("c".into());
    config.cert = Some("d".into());
    config.key = Some("e".into());
    assert_eq!(Profile::choose(&config, None).unwrap().address, "broker:1");
    let named = Profile::choose(&config, Some("default")).unwrap();
    assert_eq!(named.address, "127.0.0.1:7444");
}

#[test]
fn half_an_environment_names_what_is_missing() {
    let config = Config { address: Some("broker:1".to_owned()), ..Config::default() };
    let failure = Profile::choose(&config, None).unwrap_err();
    assert_eq!(failure.exit, Exit::Usage);
    assert!(failure.to_string().contains("SECRETREF_CA is not set"), "{failure}");
}

#[test]
fn a_missing_profile_says_how_to_get_one() {
    let (_folder, mut config) = config(TEXT);
    let failure = Profile::choose(&config, Some("prod")).unwrap_err();
    assert_eq!(failure.exit, Exit::Usage);
    let text = failure.to_string();
    assert!(text.contains("no profile \"prod\", only default"), "{text}");
    assert!(text.contains("Fix: secretref-broker init --data-dir DIR --profile prod"), "{text}");

    config.profiles = Some("/nowhere/config.toml".into());
    let text = Profile::choose(&config, None).unwrap_err().to_string();
    assert!(text.contains("/nowhere/config.toml"), "{text}");
    assert!(text.contains("Fix: secretref-broker init --data-dir DIR"), "{text}");
}

#[test]
fn an_unknown_key_is_refused() {
    let (_folder, config) = config(&TEXT.replace("cert =", "crt ="));
    let text = Profile::choose(&config, None).unwrap_err().to_string();
    assert!(text.contains("crt"), "{text}");
}

#[test]
fn a_key_that_others_may_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    for name in ["ca", "cert", "key"] {
        fs::write(file(name), name).unwrap();
    }
    let profile = Profile {
        address: "a:1".to_owned(),
        ca: file("ca"),
        cert: file("cert"),
        key: file("key"),
        agents: None,
    };
    let mode = |mode| fs::set_permissions(file("key"), fs::Permissions::from_mode(mode)).unwrap();
    for wide in [0o640, 0o604, 0o601, 0o660] {
        mode(wide);
        let text = profile.credentials().err().unwrap().to_string();
        assert!(text.contains(&format!("mode {wide:04o}")), "{text}");
        assert!(text.contains("Fix: chmod 600 "), "{text}");
    }
    mode(0o600);
    assert_eq!(profile.credentials().unwrap().key.as_str(), "key");
    fs::remove_file(file("ca")).unwrap();
    let text = profile.credentials().err().unwrap().to_string();
    assert!(text.contains("authority's certificate"), "{text}");
}
