//! What only a Vault does: paths, mounts, tokens, seals.

use super::{Vault, opened, private};
use crate::providers::{CANARY, World, ask, at, error, log::Log, silent, value};
use anyhow::{Context, Result};
use secretref_broker::providers::Provider;
use secretref_domain::fault::Fault;
use secretref_testkit::{
    authority::Authority,
    faulty::{Faulty, Trouble},
    openbao::OpenBao,
    wait::eventually,
};
use serde_json::{Value, json};

#[tokio::test]
async fn fields_paths_and_versions_are_the_engine_s() -> Result<()> {
    let Some(world) = Vault::new().await? else { return Ok(()) };
    let fields = json!({"value": "default", "key": "other", "count": 7,
        "record": {"value": "inner", "expiresAt": "2027-03-08T04:12:00Z"}});
    world.bao.kv_put("team/a b/stripe", &fields).await?;
    let provider = world.open()?;
    let place = |field: &str| at(&format!("team/a b/stripe{field}"));
    assert_eq!(value(&provider, &place("")).await?, b"default");
    assert_eq!(value(&provider, &place("#value")).await?, b"default");
    assert_eq!(value(&provider, &place("#key")).await?, b"other");
    let inner = ask(&provider, &place("#record")).await?;
    assert_eq!(inner.value.expose(), b"inner");
    assert!(inner.expires_at.is_some() && inner.created_at.is_some());
    assert_eq!(inner.version, "1");
    assert_eq!(error(&provider, &place("#count")).await.fault, Fault::Malformed);
    let absent = error(&provider, &place("#absent")).await;
    assert_eq!(absent.fault, Fault::NotFound);
    assert!(absent.message.contains("\"absent\"") && absent.message.contains("secret/team/a b"));

    world.bao.kv_put("team/a b/stripe", &fields).await?;
    assert_eq!(ask(&provider, &place("")).await?.version, "2", "also with the same value");
    world.bao.kv_delete("team/a b/stripe").await?;
    let deleted = error(&provider, &place("")).await;
    assert_eq!(deleted.fault, Fault::NotFound);
    assert!(deleted.message.contains("deleted"), "{deleted}");
    Ok(())
}

#[tokio::test]
async fn a_wrong_mount_and_version_1_are_said_to_be() -> Result<()> {
    let Some(world) = Vault::new().await? else { return Ok(()) };
    let kv1 = json!({"type": "kv", "options": {"version": "1"}});
    world.bao.write("sys/mounts/old", &kv1).await?;
    world.bao.write("old/data/held", &json!({"value": CANARY, "data": {"value": CANARY}})).await?;
    let open = |mount: &str| {
        let settings = json!({"address": world.bao.address(), "mount": mount});
        opened(&settings, world.bao.token(), None)
    };
    let old = open("old")?;
    for target in ["held", "nothing"] {
        let error = error(&old, &at(target)).await;
        assert_eq!(error.fault, Fault::Misconfigured, "{target}: {error}");
        assert!(error.message.contains("KV version 2 at old/"), "{target}: {error}");
    }
    assert!(old.check().await.is_err_and(|it| it.fault == Fault::Misconfigured));
    let absent = error(&open("absent")?, &at("held")).await;
    assert_eq!(absent.fault, Fault::Misconfigured, "{absent}");
    assert!(absent.message.contains("nothing mounted at absent/"), "{absent}");
    Ok(())
}

#[tokio::test]
async fn a_namespace_has_secrets_of_its_own() -> Result<()> {
    let Some(world) = Vault::new().await? else { return Ok(()) };
    world.bao.write("sys/namespaces/team", &json!({})).await?;
    let kv2 = json!({"type": "kv", "options": {"version": "2"}});
    world.bao.write("team/sys/mounts/secret", &kv2).await?;
    let inside = json!({"data": {"value": "inside"}});
    eventually("KV in the namespace", async || {
        Ok(world.bao.write("team/secret/data/held", &inside).await.ok())
    })
    .await?;
    let settings = json!({"address": world.bao.address(), "namespace": "team/"});
    let provider = opened(&settings, world.bao.token(), None)?;
    assert_eq!(value(&provider, &at("held")).await?, b"inside");
    provider.check().await?;
    assert_eq!(error(&world.open()?, &at("held")).await.fault, Fault::NotFound);
    Ok(())
}

#[tokio::test]
async fn a_policy_that_forbids_is_a_denial() -> Result<()> {
    let Some(world) = Vault::new().await? else { return Ok(()) };
    world.bao.allow_reading("team", "team/*").await?;
    world.bao.kv_put("team/held", &json!({"value": "ours"})).await?;
    world.bao.kv_put("other/held", &json!({"value": CANARY})).await?;
    let token = world.bao.create_token(&json!({"policies": ["team"], "ttl": "40d"})).await?;
    let provider = opened(&json!({"address": world.bao.address()}), &token, None)?;
    assert_eq!(value(&provider, &at("team/held")).await?, b"ours");
    let denied = error(&provider, &at("other/held")).await;
    assert_eq!(denied.fault, Fault::Denied);
    assert!(denied.message.contains("403 for secret/other/held"), "{denied}");
    assert!(denied.fix.contains("secret/data/other/held"), "{denied}");
    let said = provider.check().await?;
    assert!(said.starts_with("OpenBao 2."), "{said}");
    assert!(said.contains("unsealed, KV v2 at secret/, token valid for"), "{said}");
    assert!(said.ends_with(" d (renewable)"), "{said}");
    Ok(())
}

#[tokio::test]
async fn a_token_in_a_file_is_read_again_when_it_is_refused() -> Result<()> {
    let Some(world) = Vault::new().await? else { return Ok(()) };
    world.bao.kv_put("held", &json!({"value": "ours"})).await?;
    let root = tempfile::tempdir()?;
    let first = world.bao.create_token(&json!({"policies": ["root"], "ttl": "1h"})).await?;
    private(root.path(), "token", &format!("{first}\n"))?;
    let auth = json!({"method": "token", "token": {"file": "token"}});
    let settings = json!({"address": world.bao.address(), "auth": auth});
    let provider = opened(&settings, "unused", Some(root.path()))?;
    assert_eq!(value(&provider, &at("held")).await?, b"ours");
    world.bao.write("auth/token/revoke", &json!({"token": first})).await?;
    let revoked = error(&provider, &at("held")).await;
    assert_eq!(revoked.fault, Fault::Denied, "{revoked}");
    let checked = silent(provider.check().await.err().context("the token is gone")?);
    assert_eq!(checked.fault, Fault::Denied, "{checked}");
    private(root.path(), "token", &world.bao.create_token(&json!({})).await?)?;
    assert_eq!(value(&provider, &at("held")).await?, b"ours");
    private(root.path(), "token", "two\nlines\n")?;
    let anew = opened(&settings, "unused", Some(root.path()))?;
    assert_eq!(error(&anew, &at("held")).await.fault, Fault::Misconfigured);
    Ok(())
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends() -> Result<()> {
    let Some(world) = Vault::new().await? else { return Ok(()) };
    world.bao.kv_put("held", &json!({"value": "ours"})).await?;
    let properties = json!({"policies": ["root"], "ttl": "3s", "explicit_max_ttl": "1h"});
    let token = world.bao.create_token(&properties).await?;
    let provider = opened(&json!({"address": world.bao.address()}), &token, None)?;
    assert_eq!(value(&provider, &at("held")).await?, b"ours");
    // Renewed by itself: nobody asks meanwhile.
    eventually("a renewal", async || {
        let looked = world.bao.write("auth/token/lookup", &json!({"token": token})).await?;
        Ok(looked.pointer("/data/last_renewal").and_then(Value::as_str).map(drop))
    })
    .await?;
    assert_eq!(value(&provider, &at("held")).await?, b"ours");
    Ok(())
}

#[tokio::test]
async fn an_approle_logs_in_once_and_again_when_its_token_is_gone() -> Result<()> {
    let Some(world) = Vault::new().await? else { return Ok(()) };
    world.bao.allow_reading("team", "team/*").await?;
    world.bao.kv_put("team/held", &json!({"value": "ours"})).await?;
    let properties = json!({"token_policies": ["team"], "token_ttl": "1h"});
    let (role_id, secret_id) = world.bao.create_approle("broker", &properties).await?;
    let open = |secret_id: &str| {
        let auth = json!({"method": "approle", "roleId": role_id,
            "secretId": {"secretRef": "vault-secret-id"}});
        opened(&json!({"address": world.bao.address(), "auth": auth}), secret_id, None)
    };
    let provider = open(&secret_id)?;
    let places: Vec<_> = (0..20).map(|_| at("team/held")).collect();
    for answer in provider.fetch(&places).await {
        assert_eq!(answer?.value.expose(), b"ours");
    }
    let tokens = async || accessors(&world.bao).await;
    let before = tokens().await?;
    assert_eq!(before.len(), 2, "the root's, and one that was had by one login");
    for accessor in &before {
        // The root's own stays: it is the only one that may go on.
        let body = json!({"accessor": accessor});
        let looked = world.bao.write("auth/token/lookup-accessor", &body).await?;
        if looked.pointer("/data/path").and_then(Value::as_str) == Some("auth/approle/login") {
            world.bao.write("auth/token/revoke-accessor", &body).await?;
        }
    }
    assert_eq!(tokens().await?.len(), 1);
    assert_eq!(value(&provider, &at("team/held")).await?, b"ours");
    assert_eq!(tokens().await?.len(), 2);

    let denied = error(&open("not-a-secret-id")?, &at("team/held")).await;
    assert_eq!(denied.fault, Fault::Denied, "{denied}");
    assert!(denied.message.contains("login at auth/approle/"), "{denied}");
    assert!(!denied.to_string().contains("not-a-secret-id"), "{denied}");
    Ok(())
}

#[tokio::test]
async fn a_seal_a_crash_and_another_authority_are_told_apart() -> Result<()> {
    let Some(mut bao) = OpenBao::start_sealable().await? else { return Ok(()) };
    bao.kv_put("held", &json!({"value": "kept"})).await?;
    let root = tempfile::tempdir()?;
    let own = bao.authority().context("it speaks TLS")?.pem();
    private(root.path(), "own.pem", &own)?;
    private(root.path(), "other.pem", &Authority::new()?.pem())?;
    let open = |ca_file: &str| -> Result<Provider> {
        let settings = json!({"address": bao.address(), "caFile": ca_file});
        opened(&settings, bao.token(), Some(root.path()))
    };
    let (provider, other) = (open("own.pem")?, open("other.pem")?);
    assert_eq!(value(&provider, &at("held")).await?, b"kept");
    let refused = error(&other, &at("held")).await;
    assert_eq!(refused.fault, Fault::Denied, "{refused}");
    assert!(refused.message.contains("is not signed by"), "{refused}");
    // A corrected file is read without opening it anew.
    private(root.path(), "other.pem", &own)?;
    assert_eq!(value(&other, &at("held")).await?, b"kept");

    bao.seal().await?;
    let sealed = error(&provider, &at("held")).await;
    assert_eq!(sealed.fault, Fault::Sealed, "{sealed}");
    assert!(sealed.fix.contains("bao operator unseal"), "{sealed}");
    assert_eq!(silent(provider.check().await.err().context("sealed")?).fault, Fault::Sealed);
    bao.unseal().await?;
    assert_eq!(value(&provider, &at("held")).await?, b"kept");

    bao.kill()?;
    let gone = error(&provider, &at("held")).await;
    assert_eq!(gone.fault, Fault::Unreachable, "{gone}");
    bao.restart().await?;
    assert_eq!(error(&provider, &at("held")).await.fault, Fault::Sealed);
    bao.unseal().await?;
    assert_eq!(value(&provider, &at("held")).await?, b"kept");
    Ok(())
}

#[tokio::test]
async fn nothing_of_a_secret_is_logged() -> Result<()> {
    let Some(world) = Vault::new().await? else { return Ok(()) };
    world.bao.kv_put("held", &json!({"value": CANARY})).await?;
    let (log, until_dropped) = Log::of_all();
    let provider = world.open()?;
    assert_eq!(value(&provider, &at("held")).await?, CANARY.as_bytes());
    provider.check().await?;
    drop(until_dropped);
    let said = log.said();
    assert!(said.contains("127.0.0.1"), "the client logs nothing any more: {said}");
    assert!(!said.contains(CANARY) && !said.contains(world.bao.token()), "{said}");
    Ok(())
}

#[tokio::test]
async fn a_404_that_is_not_a_vault_s_is_not_believed() -> Result<()> {
    // A fallback would take over: whoever stands in between must not bring that about.
    for body in ["", "<html>", "[]", "{}", "{\"data\":{}}"] {
        let server = Faulty::start(Trouble::Answers(404, body.to_owned())).await?;
        let provider = opened(&json!({"address": server.url()}), "t", None)?;
        let error = error(&provider, &at("held")).await;
        assert_eq!(error.fault, Fault::Malformed, "{body:?}: {error}");
    }
    Ok(())
}

async fn accessors(bao: &OpenBao) -> Result<Vec<String>> {
    let listed = bao.read("auth/token/accessors?list=true").await?;
    let keys = listed.pointer("/data/keys").and_then(Value::as_array);
    let keys = keys.context("no accessors")?.iter();
    Ok(keys.filter_map(Value::as_str).map(str::to_owned).collect())
}
