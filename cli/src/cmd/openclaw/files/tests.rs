use super::*;
use secretref_domain::openclaw::edit;
use serde_json::json;

fn changed(file: &Opened) -> Document {
    edit::set(&file.document, &["b"], &json!(2)).unwrap().unwrap()
}

#[test]
fn a_file_keeps_its_mode_and_no_copy_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("openclaw.json");
    fs::write(&path, "{a: 1}").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let opened = Opened::read(&link, File::Config).unwrap();
    opened.replace(&changed(&opened)).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "{a: 1, \"b\": 2}");
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o640);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn a_file_that_somebody_wrote_meanwhile_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("openclaw.json");
    fs::write(&path, "{a: 1}").unwrap();
    let opened = Opened::read(&path, File::Config).unwrap();
    fs::write(&path, "{a: 'another'}").unwrap();
    let failure = opened.replace(&changed(&opened)).unwrap_err();
    assert!(failure.to_string().contains("changed meanwhile"), "{failure}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "{a: 'another'}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn profiles_are_found_beside_the_configuration_and_know_their_agent() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("openclaw.json");
    fs::write(&file, "{}").unwrap();
    for agent in ["work", "main"] {
        let of = folder.path().join("agents").join(agent).join("agent");
        fs::create_dir_all(&of).unwrap();
        fs::write(of.join("auth-profiles.json"), "{}").unwrap();
    }
    let again = folder.path().join("agents/main/agent/auth-profiles.json");
    let files = Files { file, profiles: vec![again], targets: None }.open().unwrap();
    let agents: Vec<Option<&str>> = files.iter().map(|it| it.agent.as_deref()).collect();
    assert_eq!(agents, [None, Some("main"), Some("work")]);
}
