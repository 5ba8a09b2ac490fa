use super::{Gateway, Permits, ask, run};
use crate::sinks::process::Reaper;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::{fs, os::unix::fs::PermissionsExt, path::Path};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_tungstenite::{accept_async, tungstenite::Message};

const TOKEN: &str = "gateway-token-0123456789";

/// What a gateway says to one client: after its greeting one word for each of its requests.
type Said = Vec<Vec<String>>;

/// A gateway of one connection, and what it was asked.
async fn gateway(folder: &TempDir, said: Said) -> (Gateway, JoinHandle<Vec<Value>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        let mut socket = accept_async(listener.accept().await.unwrap().0).await.unwrap();
        let mut asked = Vec::new();
        for words in said {
            for word in words {
                socket.send(Message::text(word)).await.unwrap();
            }
            match socket.next().await {
                Some(Ok(Message::Text(text))) => asked.push(serde_json::from_str(&text).unwrap()),
                _ => break,
            }
        }
        asked
    });
    (Gateway { address, token_file: token(folder, TOKEN) }, serving)
}

fn token(folder: &TempDir, text: &str) -> std::path::PathBuf {
    let path = folder.path().join("token");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    path
}

fn challenge() -> Vec<String> {
    let tick = json!({"type": "event", "event": "tick", "payload": {"ts": 1}});
    let challenge = json!({"type": "event", "event": "connect.challenge", "payload": {"ts": 1}});
    vec![tick.to_string(), challenge.to_string()]
}

/// An answer, among what is not one.
fn answer(id: &str, rest: &Value) -> Vec<String> {
    let mut answer = json!({"type": "res", "id": id});
    answer.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    let event = json!({"type": "event", "event": "health", "id": id, "ok": true, "seq": 7});
    let other = json!({"type": "res", "id": "another", "ok": true, "payload": {"warningCount": 0}});
    vec![event.to_string(), other.to_string(), answer.to_string()]
}

fn hello() -> Vec<String> {
    answer("connect", &json!({"ok": true, "payload": {"type": "hello-ok", "protocol": 3}}))
}

async fn reloads(rest: Value) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let said = vec![challenge(), hello(), answer("secrets.reload", &rest)];
    let (gateway, serving) = gateway(&folder, said).await;
    let outcome = ask(Some(&gateway)).await;
    let asked = serving.await.unwrap();
    let methods: Vec<_> = asked.iter().map(|it| it["method"].as_str().unwrap()).collect();
    assert_eq!(methods, ["connect", "secrets.reload"]);
    assert_eq!(asked[0]["params"]["auth"]["token"], TOKEN);
    assert_eq!(asked[0]["params"]["scopes"], json!(["operator.admin"]));
    outcome
}

#[tokio::test]
async fn only_a_reload_without_a_warning_is_one() {
    reloads(json!({"ok": true, "payload": {"ok": true, "warningCount": 0}})).await.unwrap();
    let failed = json!({"code": "UNAVAILABLE", "message": "Error: provider broker\u{7} timed out"});
    for (rest, why) in [
        (json!({"ok": true, "payload": {"ok": true, "warningCount": 2}}), "with warnings (2)"),
        (json!({"ok": true, "payload": {"ok": false, "warningCount": 0}}), "its reload failed"),
        (json!({"ok": true, "payload": {"ok": true}}), "does not say"),
        (json!({"ok": true, "payload": {"ok": true, "warningCount": "0"}}), "does not say"),
        (json!({"ok": true}), "does not say"),
        (json!({"ok": false, "error": failed}), "UNAVAILABLE Error: provider broker  timed out"),
        (json!({"payload": {"ok": true, "warningCount": 0}}), "it refused secrets.reload"),
    ] {
        let outcome = reloads(rest.clone()).await.unwrap_err();
        assert!(outcome.contains(why), "{rest}: {outcome}");
    }
}

#[tokio::test]
async fn who_is_no_gateway_or_takes_no_token_is_told_of_without_the_token() {
    let folder = tempfile::tempdir().unwrap();
    let echo = json!({"ok": false, "error": {"code": "X", "message": format!("no: {TOKEN}!")}});
    for (said, why) in [
        (vec![challenge(), answer("connect", &echo)], "it refused connect: X no: …!"),
        (vec![vec!["hello".to_owned()]], "does not speak"),
        (vec![vec!["[]".to_owned()]], "does not speak"),
        (vec![], "no answer: "),
    ] {
        let (gateway, serving) = gateway(&folder, said).await;
        let outcome = ask(Some(&gateway)).await.unwrap_err();
        assert!(outcome.contains(why) && !outcome.contains(TOKEN), "{outcome}");
        serving.await.unwrap();
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let gone = Gateway { address, token_file: token(&folder, TOKEN) };
    assert!(ask(Some(&gone)).await.unwrap_err().contains("no connection to 127.0.0.1:"));
    assert!(ask(None).await.unwrap_err().contains("--openclaw-token-file"));
}

#[tokio::test]
async fn a_token_is_one_word_that_others_cannot_read() {
    let folder = tempfile::tempdir().unwrap();
    let address = "127.0.0.1:1".parse().unwrap();
    let asked = async |token_file: &Path| {
        let gateway = Gateway { address, token_file: token_file.to_owned() };
        ask(Some(&gateway)).await.unwrap_err()
    };
    for (text, why) in [
        ("", "not one word"),
        ("\n", "not one word"),
        ("two words", "not one word"),
        ("a\nb", "not one word"),
        (&"a".repeat(5000), "not one word"),
        (&format!("{TOKEN}\r\n"), "no connection"),
    ] {
        let said = asked(&token(&folder, text)).await;
        assert!(said.contains(why), "{said}");
    }
    let path = token(&folder, TOKEN);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(asked(&path).await.contains("Fix: chmod o= "));
    assert!(asked(folder.path()).await.contains("it is no file"));
    assert!(asked(Path::new("/nowhere/token")).await.contains("/nowhere/token: No such file"));
}

#[tokio::test]
async fn the_program_is_asked_where_it_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("openclaw");
    let name = path.to_str().unwrap();
    let reaper = Some(Reaper::start().unwrap());
    let permits = Permits { allow_exec: vec![path.clone()], reaper, ..Permits::default() };
    for (script, why) in [
        (r#"[ "$*" = "secrets reload --json" ] && echo '{"ok": true, "warningCount": 0}'"#, ""),
        ("printf 'a banner\\n{\\n  \"ok\": true,\\n  \"warningCount\": 0\\n}\\nbye\\n'", ""),
        (r#"echo '{"ok": true, "warningCount": 1}'"#, "with warnings (1)"),
        ("echo Secrets reloaded.", "does not say"),
        ("true", "does not say"),
        (r#"echo '{"ok": true, "warningCount": 0}'; exit 1"#, "it ended with code 1"),
        ("head -c 70000 /dev/zero", "it said more than 65536 bytes"),
    ] {
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let outcome = run(name, &permits).await;
        match why {
            "" => outcome.unwrap_or_else(|error| panic!("{script}: {error}")),
            why => assert!(outcome.clone().unwrap_err().contains(why), "{script}: {outcome:?}"),
        }
    }
    let refused = run(name, &Permits::default()).await.unwrap_err();
    assert!(refused.contains("was not started with --allow-exec"), "{refused}");
}
