use super::*;
use aws_lc_rs::digest::digest;

fn entry(name: &str) -> ManifestEntry {
    ManifestEntry {
        name: name.into(),
        version: 7,
        digest: vec![9; 32],
        targets: vec![Target {
            key: "k".into(),
            file: "key".into(),
            env_var: "KEY".into(),
            mode: 0o440,
            required: true,
            ..Target::default()
        }],
        ..ManifestEntry::default()
    }
}

#[test]
fn bytes_are_those_of_the_page() {
    let mut drawn = Vec::new();
    drawn.extend_from_slice(b"\0\0\0\x01a");
    drawn.extend_from_slice(&7_i64.to_be_bytes());
    drawn.extend_from_slice(&[9; 32]);
    drawn.extend_from_slice(b"\0\0\0\x01");
    drawn.extend_from_slice(b"\0\0\0\x03key\0\0\0\x03KEY\0\0\0\0\0\0\0\0\0\0\0\0");
    drawn.extend_from_slice(b"\0\0\0\0\0\0\0\0\0\0\0\x01k");
    drawn.extend_from_slice(b"\0\0\x01\x20\x01");
    assert_eq!(manifest_digest(&[entry("a")], None), digest(&SHA256, &drawn).as_ref());
    assert_eq!(manifest_digest(&[], None), digest(&SHA256, b"").as_ref());
}

#[test]
fn order_of_entries_and_values_do_not_count() {
    let (mut a, b) = (entry("a"), entry("b"));
    let digest = manifest_digest(&[a.clone(), b.clone()], None);
    a.value = Some(bytes::Bytes::from_static(b"value"));
    assert_eq!(manifest_digest(&[b, a], None), digest);
}

#[test]
fn whatever_a_sidecar_acts_on_counts() {
    let base = manifest_digest(&[entry("a")], None);
    let mutations: [fn(&mut ManifestEntry); 13] = [
        |entry| entry.name = "b".into(),
        |entry| entry.version = 8,
        |entry| entry.digest[31] = 8,
        |entry| entry.targets.clear(),
        |entry| entry.targets[0].file = "yek".into(),
        |entry| entry.targets[0].owner = "root".into(),
        |entry| entry.targets[0].on_rotate = "restart".into(),
        |entry| entry.targets[0].template = "x".into(),
        |entry| entry.targets[0].secret_ref = "x".into(),
        |entry| entry.targets[0].tool = "x".into(),
        |entry| entry.targets[0].key = "x".into(),
        |entry| entry.targets[0].mode = 0o400,
        |entry| entry.targets[0].required = false,
    ];
    for mutate in mutations {
        let mut changed = entry("a");
        mutate(&mut changed);
        assert_ne!(manifest_digest(&[changed], None), base);
    }
}

#[test]
fn settings_count_as_they_are_drawn() {
    let gate = Gate { alive_ms: 2, http_url: "u".into(), command: vec!["g".into()], timeout_ms: 3 };
    let process = ProcessSettings {
        command: vec!["c".into()],
        inherit: vec!["I".into()],
        stop_timeout_ms: 1,
        gate: Some(gate),
        hand_over: true,
    };
    let settings = AgentSettings { dotenv_file: "d".into(), process: Some(process) };
    let mut drawn = Vec::new();
    drawn.extend_from_slice(b"\0\0\0\0\0\0\0\x01d");
    drawn.extend_from_slice(b"\0\0\0\x01\0\0\0\x01c\0\0\0\x01\0\0\0\x01I");
    drawn.extend_from_slice(b"\0\0\0\0\0\0\0\x01\x01\0\0\0\0\0\0\0\x02\0\0\0\x01u");
    drawn.extend_from_slice(b"\0\0\0\x01\0\0\0\x01g\0\0\0\0\0\0\0\x03");
    let whole = manifest_digest(&[], Some(&settings));
    assert_eq!(whole, digest(&SHA256, &drawn).as_ref());
    assert_ne!(manifest_digest(&[], Some(&AgentSettings::default())), manifest_digest(&[], None));
}
