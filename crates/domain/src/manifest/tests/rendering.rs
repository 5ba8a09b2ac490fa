//! What is kept can be said again in a manifest's own keys, and means the same.

use super::*;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// The whole of a manifest.
fn rendered(manifest: &Manifest) -> Value {
    let references = |from: &BTreeMap<SecretName, Reference>| -> Map<String, Value> {
        from.iter().map(|(name, it)| (name.to_string(), render::reference(it))).collect()
    };
    let agents: Map<_, _> =
        manifest.agents.iter().map(|(name, it)| (name.to_string(), render::agent(it))).collect();
    let groups: Map<_, _> =
        manifest.groups.iter().map(|(name, it)| (name.to_string(), render::group(it))).collect();
    let providers: Map<_, _> = manifest
        .providers
        .iter()
        .map(|(name, it)| (name.to_string(), render::provider(it)))
        .collect();
    let environments: Map<_, _> = manifest
        .environments
        .iter()
        .map(|(name, it)| (name.to_string(), json!({"secrets": references(it)})))
        .collect();
    let channels: Map<_, _> = manifest
        .channels
        .iter()
        .map(|(name, it)| (name.to_string(), render::channel(it)))
        .collect();
    json!({
        "agents": agents,
        "groups": groups,
        "refMap": references(&manifest.references),
        "environments": environments,
        "secrets": {"providers": providers},
        "alerts": {"channels": channels},
    })
}

fn assert_said_again(manifest: Manifest) {
    let text = rendered(&manifest).to_string();
    let again = good(&text);
    assert_eq!(again.agents, manifest.agents, "{text}");
    assert_eq!(again.groups, manifest.groups, "{text}");
    assert_eq!(again.references, manifest.references, "{text}");
    assert_eq!(again.environments, manifest.environments, "{text}");
    assert_eq!(again.providers, manifest.providers, "{text}");
    assert_eq!(again.channels, manifest.channels, "{text}");
}

#[test]
fn the_examples_can_be_said_again() {
    for text in SEEDS.iter().map(|(_, text)| *text).chain([EVERY_KEY]) {
        assert_said_again(good(text));
    }
    for stale in ["1s", "90s", "15m", "2h", "7d", "36h"] {
        assert_said_again(good(&credential(&format!("\"maxStale\": \"{stale}\""))));
    }
}

proptest! {
    #[test]
    fn whatever_is_taken_can_be_said_again(value in bytes::soup()) {
        if let Ok(manifest) = one(&value.to_string()) {
            assert_said_again(manifest);
        }
    }
}
