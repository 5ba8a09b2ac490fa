//! Which files are read, and what is taken out of them.

use super::Files;
use crate::providers::{Found, Permits, Place, ProviderError};
use secretref_domain::{
    fault::Fault,
    name::{ProviderAlias, SecretName},
    reference::{ProviderKind, ProviderSpec},
};
use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    sync::Arc,
};
use tempfile::TempDir;

struct World {
    root: TempDir,
    files: Files,
}

impl World {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let permits = Permits { roots: vec![root.path().to_owned()], ..Permits::default() };
        let settings = serde_json::json!({"path": "secrets.json"});
        let settings = settings.as_object().unwrap().clone();
        let spec = ProviderSpec { kind: ProviderKind::File, settings };
        let alias = ProviderAlias::parse("file").unwrap();
        let files = Files::open(&alias, &spec, &Arc::new(permits));
        Self { root, files }
    }

    fn write(&self, name: &str, content: &[u8], mode: u32) -> PathBuf {
        let path = self.root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    async fn at(&self, target: Option<&str>, path: Option<&str>) -> Result<Found, ProviderError> {
        let place = Place {
            reference: SecretName::parse("stripe_api_key").unwrap(),
            target: target.map(str::to_owned),
            path: path.map(str::to_owned),
        };
        self.files.fetch(&[place]).await.remove(0)
    }

    async fn value(&self, target: Option<&str>, path: Option<&str>) -> Vec<u8> {
        match self.at(target, path).await {
            Ok(found) => found.value.expose().to_vec(),
            Err(error) => panic!("{error}"),
        }
    }

    async fn fault(&self, target: Option<&str>, path: Option<&str>) -> (Fault, String) {
        match self.at(target, path).await {
            Ok(_) => panic!("it was read"),
            Err(error) => (error.fault, error.to_string()),
        }
    }
}

#[tokio::test]
async fn records_texts_and_pointers_are_found() {
    let world = World::new();
    let json = br#"{"stripe_api_key": {"value": "sk", "provider": "openclaw",
        "createdAt": "2026-03-08T04:12:00Z", "expiresAt": "2027-03-08T04:12:00Z"},
        "text": "plain", "deep": {"a/b": [{"value": "deepest"}]}}"#;
    world.write("secrets.json", json, 0o600);
    let found = world.at(None, None).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(found.value.expose(), b"sk");
    assert_eq!(found.expires_at.unwrap().to_string(), "2027-03-08T04:12:00Z");
    assert_eq!(found.created_at.unwrap().to_string(), "2026-03-08T04:12:00Z");
    assert_eq!(world.value(Some("text"), None).await, b"plain");
    assert_eq!(world.value(Some("/deep/a~1b/0"), None).await, b"deepest");
    assert_eq!(world.fault(Some("absent"), None).await.0, Fault::NotFound);
    assert_eq!(world.fault(Some("deep"), None).await.0, Fault::Malformed);
}

#[tokio::test]
async fn a_whole_file_loses_one_newline_and_no_more() {
    let world = World::new();
    for (content, value) in [
        (b"key\n".as_slice(), b"key".as_slice()),
        (b"key\r\n", b"key"),
        (b"key\n\n", b"key\n"),
        (b"key\r", b"key\r"),
        (b" key ", b" key "),
        (&[0, 255, 10, 1], &[0, 255, 10, 1]),
    ] {
        world.write(".secrets/dev.key", content, 0o400);
        assert_eq!(world.value(None, Some(".secrets/dev.key")).await, value, "{content:?}");
    }
    world.write("empty", b"\n", 0o600);
    assert_eq!(world.fault(None, Some("empty")).await.0, Fault::Malformed);
    world.write("large", &vec![b'x'; 65_537], 0o600);
    assert_eq!(world.fault(None, Some("large")).await.0, Fault::TooLarge);
}

#[tokio::test]
async fn an_edit_is_another_version() {
    let world = World::new();
    world.write("key", b"one", 0o600);
    let one = world.at(None, Some("key")).await.unwrap_or_else(|error| panic!("{error}"));
    let other = world.write("key.new", b"two", 0o600);
    fs::rename(other, world.root.path().join("key")).unwrap();
    let two = world.at(None, Some("key")).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(two.value.expose(), b"two");
    assert_ne!(one.version, two.version);
}

#[tokio::test]
async fn nothing_outside_is_read_and_nothing_that_others_may_touch() {
    let world = World::new();
    let outside = tempfile::tempdir().unwrap();
    let elsewhere = outside.path().join("key");
    fs::write(&elsewhere, b"theirs").unwrap();
    fs::set_permissions(&elsewhere, fs::Permissions::from_mode(0o600)).unwrap();
    let given = |path: &Path| path.to_str().unwrap().to_owned();

    let (fault, text) = world.fault(None, Some(&given(&elsewhere))).await;
    assert_eq!(fault, Fault::Misconfigured);
    assert!(text.contains("provider_roots"), "{text}");
    assert_eq!(world.fault(None, Some("../key")).await.0, Fault::Misconfigured);
    symlink(&elsewhere, world.root.path().join("link")).unwrap();
    assert_eq!(world.fault(None, Some("link")).await.0, Fault::Misconfigured);
    symlink(outside.path(), world.root.path().join("folder")).unwrap();
    assert_eq!(world.fault(None, Some("folder/key")).await.0, Fault::Misconfigured);
    assert_eq!(world.fault(None, Some("absent")).await.0, Fault::NotFound);
    fs::create_dir(world.root.path().join("dir")).unwrap();
    assert_eq!(world.fault(None, Some("dir")).await.0, Fault::Misconfigured);

    let wide = world.write("wide", b"key", 0o640);
    let (fault, text) = world.fault(None, Some("wide")).await;
    assert_eq!(fault, Fault::Misconfigured);
    assert!(text.contains(&format!("chmod 600 {}", wide.display())), "{text}");
    world.write("open/key", b"key", 0o600);
    let open = world.root.path().join("open");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    let (fault, text) = world.fault(None, Some("open/key")).await;
    assert_eq!(fault, Fault::Misconfigured);
    assert!(text.contains("go-w"), "{text}");
}

#[tokio::test]
async fn what_is_no_json_is_not_repeated() {
    let world = World::new();
    world.write("secrets.json", br#"{"stripe_api_key": sk_live_canary}"#, 0o600);
    let (fault, text) = world.fault(None, None).await;
    assert_eq!(fault, Fault::Malformed);
    assert!(!text.contains("canary"), "{text}");
}
