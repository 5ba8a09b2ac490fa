use super::*;

fn path(text: &str) -> Path {
    let segment = |word: &str| match word.parse() {
        Ok(index) => Segment::Index(index),
        Err(_) => Segment::Key(word.to_owned()),
    };
    Path(text.split('|').map(segment).collect())
}

#[test]
fn a_path_proposes_a_name() {
    let mut names = Names::default();
    for (given, name) in [
        ("models|providers|openai|apiKey", "openclaw/models/openai/api-key"),
        ("channels|discord|token", "openclaw/channels/discord/token"),
        (
            "agents|list|0|memorySearch|remote|apiKey",
            "openclaw/agents/list/0/memory-search/remote/api-key",
        ),
        ("skills|entries|My Skill.v2|apiKey", "openclaw/skills/my-skill-v2/api-key"),
        ("profiles|openai:default|key", "openclaw/openai-default/key"),
        ("channels|nextcloud-talk|apiPassword", "openclaw/channels/nextcloud-talk/api-password"),
    ] {
        assert_eq!(names.propose("openclaw/", &path(given)).as_str(), name);
    }
}

#[test]
fn two_paths_never_get_one_name_and_each_run_the_same() {
    let clash = ["a|b.c|key", "a|b-c|key", "a|B-C|key", "a|ü|key", "a|ö|key", "a|key"];
    let run = || -> Vec<SecretName> {
        let mut names = Names::default();
        clash.iter().map(|it| names.propose("p/", &path(it))).collect()
    };
    let (one, two) = (run(), run());
    assert_eq!(one, two);
    assert_eq!(one.iter().collect::<BTreeSet<_>>().len(), clash.len());
    assert_eq!(one[0].as_str(), "p/a/b-c/key");
    assert!(one[1].as_str().starts_with("p/a/b-c/key-"));
}

#[test]
fn whatever_the_path_the_name_is_one_and_an_id_of_openclaw() {
    let long = format!("a|{}|key", "x".repeat(300));
    for given in [long.as_str(), "ü", "...", "__proto__", "a|.|b", "a|/|b", "-"] {
        let name = Names::default().propose("openclaw/", &path(given));
        assert!(is_exec_id(name.as_str()), "{name}");
        assert!(credential_key(&name).as_str().len() <= 64, "{name}");
    }
    for id in ["", "-a", "a b", "a/../b", "a#b", &"x".repeat(257)] {
        assert!(!is_exec_id(id), "{id}");
    }
}

#[test]
fn a_key_is_the_flat_name_cut_where_it_is_long() {
    let key = |name: &str| credential_key(&SecretName::parse(name).unwrap());
    assert_eq!(key("openclaw/a/b").as_str(), "openclaw.a.b");
    let (one, two) =
        (key(&format!("{}/a", "x".repeat(90))), key(&format!("{}y/a", "x".repeat(89))));
    assert!(one != two && one.as_str().len() == 64, "{one} {two}");
}
