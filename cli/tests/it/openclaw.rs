//! `OpenClaw`'s files, looked at before any broker is asked.

use crate::{Ran, run};
use std::{fs, path::PathBuf};
use tempfile::TempDir;

/// An installation with this configuration.
struct Home {
    folder: TempDir,
    config: PathBuf,
}

impl Home {
    fn with(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("openclaw.json");
        fs::write(&path, config).unwrap();
        Self { folder, config: path }
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn run(&self, command: &str, more: &[&str]) -> Ran {
        let mut words = vec!["openclaw", command, self.config.to_str().unwrap()];
        words.extend(more);
        run(&[("HOME", "/nowhere"), ("SECRETREF_ADDR", "127.0.0.1:1")], &words, b"")
    }

    /// What is said of each place, without the file.
    fn places(&self, more: &[&str]) -> Vec<String> {
        let ran = self.run("import", more);
        assert_eq!(ran.code, 0, "{}", ran.err);
        let said = ran.text().lines().map(|line| line.split_once(": ").unwrap().1.to_owned());
        said.collect()
    }
}

#[test]
fn what_becomes_of_each_place_is_shown() {
    let home = Home::with(
        "{\n  // mine\n  models: {providers: {\n    openai: {apiKey: 'sk-CANARY'},\n    \
         same: {apiKey: \"sk-\\x43ANARY\"},\n    env: {apiKey: '${OPENAI_KEY}'},\n    \
         lost: {apiKey: '$NOT_THERE'},\n    file: {apiKey: {source: 'file', id: '/a~1b'}},\n    \
         ours: {apiKey: {source: 'exec', provider: 'secretref', id: 'x/y'}},\n    \
         theirs: {apiKey: {source: 'exec', provider: 'op', id: 'z'}},\n    \
         odd: {apiKey: 7},\n    none: {apiKey: ''},\n  }},\n  \
         channels: {googlechat: {serviceAccount: 'sa-CANARY', serviceAccountRef: \
         {source: 'exec', provider: 'secretref', id: 'sa'}}},\n  hooks: {token: 'minted'},\n  \
         secrets: {defaults: {file: 'f'}, providers: {f: {source: 'file', path: 'FILE'}}},\n}",
    );
    let values = home.write("values.json", "{\"a/b\": \"fs-CANARY\"}");
    let text = fs::read_to_string(&home.config).unwrap();
    fs::write(&home.config, text.replace("FILE", values.to_str().unwrap())).unwrap();
    home.write(".env", "OPENAI_KEY=env-CANARY\n");
    let said = home.places(&[]).join("\n");
    for line in [
        "models.providers.openai.apiKey becomes openclaw/models/openai/api-key",
        "models.providers.same.apiKey becomes openclaw/models/openai/api-key",
        "models.providers.env.apiKey becomes openclaw/models/env/api-key, with the value of \
         env:default:OPENAI_KEY",
        "models.providers.lost.apiKey stays: env:default:NOT_THERE: NOT_THERE is not in",
        "models.providers.file.apiKey becomes openclaw/models/file/api-key, with the value of \
         file:default:/a~1b",
        "models.providers.ours.apiKey is x/y already",
        "models.providers.theirs.apiKey stays: exec:op:z: ",
        "models.providers.odd.apiKey stays: it is neither a string nor a ref",
        "channels.googlechat.serviceAccount is sa already; the value beside it goes",
        "hooks.token stays: OpenClaw makes it",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert!(!said.contains("CANARY") && !said.contains("none"), "{said}");
}

#[test]
fn profiles_of_each_agent_and_more_targets_are_looked_at() {
    let home = Home::with("{gateway: {auth: {token: 'CANARY-1'}}}");
    for agent in ["main", "Home"] {
        let text = format!(
            "{{\"profiles\": {{\"a:b\": {{\"type\": \"token\", \"token\": \"{agent}\"}}}}}}"
        );
        home.write(&format!("agents/{agent}/agent/auth-profiles.json"), &text);
    }
    assert_eq!(
        home.places(&[]),
        [
            "gateway.auth.token stays: OpenClaw makes it and changes it by itself",
            "profiles.a:b.token becomes openclaw/auth-profiles/home/a-b/token",
            "profiles.a:b.token becomes openclaw/auth-profiles/main/a-b/token",
        ]
    );
    let table = "titles\nopenclaw.json\tgateway.auth.token\t\tsecret_input\t\n";
    let table = home.write("more.tsv", table);
    let places = home.places(&["--targets", table.to_str().unwrap()]);
    assert_eq!(places[0], "gateway.auth.token becomes openclaw/gateway/auth/token");
    let wrong = home.write("wrong.tsv", "titles\nopenclaw.json\n");
    let ran = home.run("import", &["--targets", wrong.to_str().unwrap()]);
    assert!(ran.code == 2 && ran.err.contains("wrong.tsv, line 2: "), "{}", ran.err);
}

#[test]
fn an_audit_says_where_and_not_what() {
    let home = Home::with("{\n  talk: {\n    apiKey: 'CANARY',\n  },\n}");
    let ran = home.run("audit", &[]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.text().contains(":3: talk.apiKey: the value stands in the open"), "{}", ran.text());
    let json: serde_json::Value =
        serde_json::from_str(home.run("audit", &["--json"]).text()).unwrap();
    assert_eq!(json["status"], "findings");
    assert_eq!(json["findings"][0]["path"], "talk.apiKey");
    let sarif = home.run("audit", &["--sarif"]);
    assert_eq!(sarif.code, 1);
    let sarif: serde_json::Value = serde_json::from_str(sarif.text()).unwrap();
    let result = &sarif["runs"][0]["results"][0];
    assert_eq!(result["locations"][0]["physicalLocation"]["region"]["startLine"], 3);
    assert!(!format!("{json}{sarif}{}", ran.text()).contains("CANARY"));
    assert_eq!(Home::with("{talk: {}}").run("audit", &[]).code, 0);
    let broken = Home::with("{talk: {apiKey: 'CANARY}").run("audit", &[]);
    assert!(broken.code == 2 && !broken.err.contains("CANARY"), "{}", broken.err);
}
