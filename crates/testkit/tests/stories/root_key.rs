//! Without its own root key a broker is sealed: it says so, answers nothing, and makes no new one.

use crate::scene::{STRIPE, STRIPE_FILE, Scene};
use anyhow::{Context, Result, ensure};
use secretref_testkit::{
    broker::Broker,
    engine::Engine,
    on_both_engines,
    wait::{DEADLINE, eventually},
};
use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
};

on_both_engines!(
    another_brokers_root_key_seals,
    a_missing_root_key_seals_and_none_is_made,
    a_torn_root_key_is_told_from_a_wrong_one,
    a_root_key_that_others_can_read_is_refused,
);

fn root_key(broker: &Broker) -> PathBuf {
    broker.data().join("root.key")
}

/// Starts the broker and returns what it says of being sealed, and what health answers.
async fn sealed(broker: &Broker) -> Result<(String, String)> {
    let process = broker.spawn()?;
    let said = process.wait_for_announcement("sealed: ", DEADLINE)?;
    let line = process.wait_for_announcement("listening health ", DEADLINE)?;
    let address = line.rsplit(' ').next().context("an address")?.parse()?;
    // It announces that it is sealed just before its health does.
    let health = eventually("health says that it is sealed", async || {
        let answer = http_get(address, "/readyz")?;
        Ok(answer.contains("sealed").then_some(answer))
    });
    let health = health.await?;
    ensure!(TcpStream::connect(broker.listening().admin).is_err(), "it administers while sealed");
    ensure!(TcpStream::connect(broker.listening().agents).is_err(), "it serves while sealed");
    Ok((said, health))
}

fn http_get(address: SocketAddr, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: health\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

async fn another_brokers_root_key_seals(engine: Engine) -> Result<()> {
    let mut scene = Scene::set(engine).await?;
    let other = Scene::set(Engine::Sqlite).await?;
    scene.broker.stop()?;
    let own = fs::read(root_key(&scene.broker))?;
    fs::write(root_key(&scene.broker), fs::read(root_key(&other.broker))?)?;
    let (said, health) = sealed(&scene.broker).await?;
    ensure!(said.contains("root key") && said.contains("unseal"), "{said}");
    ensure!(health.starts_with("HTTP/1.1 503") && health.contains("sealed"), "{health}");

    fs::write(root_key(&scene.broker), own)?;
    scene.broker.serve()?;
    scene.admin = scene.broker.admin().await?;
    let agent = scene.agent().await.context("with its own key again")?;
    scene.admin.put(STRIPE, b"stripe-2").await?;
    agent.file_becomes(STRIPE_FILE, b"stripe-2").await
}

async fn a_missing_root_key_seals_and_none_is_made(engine: Engine) -> Result<()> {
    let mut scene = Scene::set(engine).await?;
    scene.broker.stop()?;
    let away = scene.broker.folder().join("away.key");
    fs::rename(root_key(&scene.broker), &away)?;
    let (said, health) = sealed(&scene.broker).await?;
    ensure!(said.contains("root.key"), "the file is not named: {said}");
    ensure!(health.contains("sealed"), "{health}");
    ensure!(!root_key(&scene.broker).exists(), "a root key was made");
    fs::rename(away, root_key(&scene.broker))?;
    scene.broker.serve()
}

async fn a_torn_root_key_is_told_from_a_wrong_one(engine: Engine) -> Result<()> {
    let mut scene = Scene::set(engine).await?;
    scene.broker.stop()?;
    let whole = fs::read(root_key(&scene.broker))?;
    for length in [0, 1, whole.len() / 2, whole.len() - 2] {
        fs::write(root_key(&scene.broker), &whole[..length])?;
        let (said, _) = sealed(&scene.broker).await?;
        ensure!(!said.contains("another"), "a torn key is taken for another's: {said}");
        ensure!(said.contains("root.key"), "the file is not named: {said}");
    }
    fs::write(root_key(&scene.broker), whole)?;
    scene.broker.serve()
}

async fn a_root_key_that_others_can_read_is_refused(engine: Engine) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mut scene = Scene::set(engine).await?;
    scene.broker.stop()?;
    fs::set_permissions(root_key(&scene.broker), fs::Permissions::from_mode(0o644))?;
    let (said, _) = sealed(&scene.broker).await?;
    ensure!(said.contains("chmod 600"), "{said}");
    Ok(())
}
