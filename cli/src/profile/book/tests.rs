use super::*;

const TEXT: &str = r#"# Ours.
[profiles.default]
address = "127.0.0.1:7444" # the one at home
ca = "ca.crt"
cert = "admin.crt"
key = "admin.key"

# Theirs.
[profiles.prod]
address = "prod:7444"
ca = "/p/ca.crt"
cert = "/p/admin.crt"
key = "/p/admin.key"
"#;

fn book(text: &str) -> (tempfile::TempDir, Book) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secretref").join("config.toml");
    (folder, Book::parse(path, text.to_owned()).unwrap())
}

fn profile(address: &str) -> Profile {
    let file = |name: &str| PathBuf::from(format!("/a \"b\"/{name}"));
    Profile {
        address: address.to_owned(),
        ca: file("ca"),
        cert: file("cert"),
        key: file("key"),
        agents: None,
    }
}

#[test]
fn a_profile_is_added_and_all_else_stays_as_it_is() {
    for text in ["", TEXT, TEXT.trim_end()] {
        let (_folder, mut book) = book(text);
        book.add("new-1", &profile("new:1")).unwrap();
        assert!(book.text.starts_with(text.trim_end()), "{}", book.text);
        assert_eq!(book.get("new-1").unwrap(), profile("new:1"));
        book.save().unwrap();
        let config = Config { profiles: Some(book.path.clone()), ..Config::default() };
        let again = Book::open(&config, "it", String::new).unwrap();
        assert_eq!(again.profiles, book.profiles);
        let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(&book.path).unwrap());
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn a_name_is_taken_once_and_is_plain() {
    let (_folder, mut book) = book(TEXT);
    assert!(book.add("prod", &profile("x:1")).unwrap_err().to_string().contains("already"));
    for name in ["", "a b", "a.b", "a\"]", "ä", &"a".repeat(65)] {
        assert!(book.add(name, &profile("x:1")).is_err(), "{name}");
    }
    assert_eq!(book.text, TEXT);
}

#[test]
fn the_current_one_is_named_at_the_top_and_renamed_in_place() {
    let (_folder, mut book) = book(TEXT);
    assert_eq!(book.current(), "default");
    book.make_current("prod").unwrap();
    assert_eq!(book.text, format!("current = \"prod\"\n\n{TEXT}"));
    book.make_current("default").unwrap();
    assert_eq!(book.text, format!("current = \"default\"\n\n{TEXT}"));
    assert_eq!(book.current(), "default");
    let missing = book.make_current("none").unwrap_err();
    assert_eq!(missing.exit, crate::failure::Exit::NotFound);
}

#[test]
fn a_profile_is_taken_out_but_not_the_current_one() {
    let (_folder, mut book) = book(TEXT);
    book.make_current("prod").unwrap();
    assert!(book.remove("prod").unwrap_err().to_string().contains("profile use OTHER"));
    book.remove("default").unwrap();
    assert_eq!(book.names().collect::<Vec<_>>(), ["prod"]);
    assert!(book.text.contains("prod:7444") && !book.text.contains("127.0.0.1"), "{}", book.text);
    assert!(book.text.contains("# Ours."), "{}", book.text);
    assert!(book.remove("default").is_err());
}

#[test]
fn what_is_written_otherwise_is_not_touched() {
    let inline = "profiles.odd = { address = \"o:1\", ca = \"a\", cert = \"b\", key = \"c\" }\n";
    let (_folder, mut book) = book(inline);
    let text = book.remove("odd").unwrap_err().to_string();
    assert!(text.contains("not changed safely"), "{text}");
    assert_eq!(book.text, inline);
    assert!(book.get("odd").is_some());
}
