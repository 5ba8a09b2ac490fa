//! Who cannot be reached, who is not ours, and who does not take us.

use crate::{authority::Authority, broker::Broker, run};
use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt, path::Path};

fn env<'a>(address: &'a str, files: &'a [String; 3]) -> [(&'a str, &'a str); 4] {
    [
        ("SECRETREF_ADDR", address),
        ("SECRETREF_CA", &files[0]),
        ("SECRETREF_CERT", &files[1]),
        ("SECRETREF_KEY", &files[2]),
    ]
}

fn files(folder: &Path) -> [String; 3] {
    ["ca.crt", "admin.crt", "admin.key"]
        .map(|name| folder.join(name).into_os_string().into_string().unwrap())
}

fn admin() -> (tempfile::TempDir, [String; 3]) {
    let folder = tempfile::tempdir().unwrap();
    Authority::new().write_admin(folder.path());
    let files = files(folder.path());
    (folder, files)
}

fn ends_with_69(address: &str) -> String {
    let (_folder, files) = admin();
    let ran = run(&env(address, &files), &["list"], b"");
    assert_eq!(ran.code, 69, "{}", ran.err);
    assert!(ran.err.contains(address) && ran.err.contains("Fix: start it"), "{}", ran.err);
    assert_eq!(ran.err.lines().count(), 1);
    ran.err
}

#[test]
fn a_port_without_listener_is_unreachable() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    ends_with_69(&address);
}

#[test]
fn a_listener_that_never_answers_is_given_up_before_two_seconds() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let said = ends_with_69(&listener.local_addr().unwrap().to_string());
    assert!(said.contains("did not answer within 1.5s"), "{said}");
}

#[test]
fn waiting_ends_when_the_time_is_over() {
    let (_folder, files) = admin();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let ran = run(&env(&address, &files), &["list", "--wait", "1s"], b"");
    assert_eq!(ran.code, 69, "{}", ran.err);
    assert!(ran.err.starts_with("waiting for the broker"), "{}", ran.err);
}

#[test]
fn a_broker_of_another_authority_is_refused() {
    let broker = Broker::start();
    let (folder, _) = admin();
    let ran = broker.run_as(folder.path(), &["list"], b"");
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.err.contains("was refused") && ran.err.contains("ca.crt"), "{}", ran.err);
}

#[test]
fn an_admin_of_another_authority_is_refused_by_the_broker() {
    let broker = Broker::start();
    let (folder, _) = admin();
    fs::copy(broker.folder().join("ca.crt"), folder.path().join("ca.crt")).unwrap();
    let ran = broker.run_as(folder.path(), &["list"], b"");
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.err.contains("refused this client"), "{}", ran.err);
}

#[test]
fn files_that_do_not_go_together_are_named() {
    let broker = Broker::start();
    let (folder, _) = admin();
    fs::copy(broker.folder().join("admin.key"), folder.path().join("admin.key")).unwrap();
    let ran = broker.run_as(folder.path(), &["list"], b"");
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert!(ran.err.contains("do not go together"), "{}", ran.err);
    fs::write(folder.path().join("admin.crt"), "hello").unwrap();
    let ran = broker.run_as(folder.path(), &["list"], b"");
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert!(ran.err.contains("not PEM"), "{}", ran.err);
}

#[test]
fn a_key_that_others_may_read_is_refused() {
    let broker = Broker::start();
    let key = broker.folder().join("admin.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    let ran = broker.run(&["list"], b"");
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert!(ran.err.contains(&format!("Fix: chmod 600 {}", key.display())), "{}", ran.err);
}

#[test]
fn a_missing_profile_says_how_to_get_one() {
    let home = tempfile::tempdir().unwrap();
    let ran = run(&[("HOME", home.path().to_str().unwrap())], &["list"], b"");
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert!(ran.err.contains("Fix: secretref-broker init --data-dir DIR"), "{}", ran.err);
    let ran = run(&[], &["list", "--profile", "prod"], b"");
    assert_eq!(ran.code, 2, "{}", ran.err);
}

#[test]
fn a_profile_is_used() {
    let broker = Broker::start();
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("secretref");
    fs::create_dir(&folder).unwrap();
    let [ca, cert, key] = files(broker.folder());
    let address = broker.address();
    let text = format!(
        "[profiles.prod]\naddress = {address:?}\nca = {ca:?}\ncert = {cert:?}\nkey = {key:?}\n"
    );
    fs::write(folder.join("config.toml"), text).unwrap();
    let env = [("XDG_CONFIG_HOME", home.path().to_str().unwrap())];
    let ran = run(&env, &["list", "--profile", "prod", "--wait=120s"], b"");
    assert_eq!(ran.code, 0, "{}", ran.err);
    let ran = run(&env, &["list"], b"");
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert!(ran.err.contains("only prod"), "{}", ran.err);
}
