//! Clients that are slow, broken or hostile, on both ports: each is refused or cut, and nobody else
//! notices.

use crate::world::{Stream, World, hello, put_request};
use anyhow::{Context, Result, bail, ensure};
use secretref_identity::{
    client::{ClientConfig, dial},
    clock::Clock,
};
use secretref_proto::v1::{
    Ack, ApplyManifestRequest, JoinRequest, ManifestFile, SecretResult,
    enrolment_service_client::EnrolmentServiceClient, watch_request, watch_response::Message,
};
use secretref_testkit::{admin::Admin, engine::Engine, peer, wait::DEADLINE};
use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tonic::Code;

async fn world() -> Result<World> {
    World::with_worker(Engine::Sqlite, &["a"]).await
}

/// Both ports still serve.
async fn serves(world: &World) -> Result<()> {
    Admin::connect_as(&world.admins.to_string(), &world.credentials).await?.put("b", b"v").await?;
    let mut stream = world.stream(hello()).await?;
    ensure!(stream.manifest().await?.entries.len() == 1, "no manifest");
    Ok(())
}

/// Everything that comes until the other side closes.
async fn until_closed(mut from: impl AsyncReadExt + Unpin) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    let read = async {
        let mut buffer = [0; 1024];
        // A reset is an end like any other.
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            all.extend_from_slice(&buffer[..count]);
        }
    };
    timeout(DEADLINE, read).await.context("it was not closed")?;
    Ok(all)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_tls_is_closed() -> Result<()> {
    let world = world().await?;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let garbage: Vec<u8> = (0..20_000).map(|_| fastrand::u8(..)).collect();
    // A record that says that it is longer than a record can be.
    let oversize = [&[0x16, 3, 1, 0xff, 0xff][..], &[0; 400]].concat();
    for address in [world.agents, world.admins] {
        for bytes in [&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..], preface, &garbage, &oversize] {
            let mut tcp = TcpStream::connect(address).await?;
            // It may be closed before all of it is written.
            drop(tcp.write_all(bytes).await);
            let answer = until_closed(tcp).await?;
            ensure!(answer.len() < 16, "{} bytes of an answer", answer.len());
        }
    }
    serves(&world).await
}

/// A client that offers TLS 1.2 and nothing newer.
fn tls12_hello() -> Vec<u8> {
    let extensions = [
        &[0, 10, 0, 4, 0, 2, 0, 0x17][..],
        &[0, 11, 0, 2, 1, 0],
        &[0, 13, 0, 6, 0, 4, 4, 3, 8, 4],
        &[0, 16, 0, 5, 0, 3, 2, b'h', b'2'],
        &[0, 23, 0, 0],
    ]
    .concat();
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend([0, 0, 4, 0xc0, 0x2b, 0xc0, 0x2f, 1, 0]);
    body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    body.extend(extensions);
    let length = u16::try_from(body.len()).unwrap();
    let mut hello = vec![0x16, 3, 1];
    hello.extend((length + 4).to_be_bytes());
    hello.extend([1, 0]);
    hello.extend(length.to_be_bytes());
    hello.extend(body);
    hello
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_12_is_refused() -> Result<()> {
    let world = world().await?;
    for address in [world.agents, world.admins] {
        let mut tcp = TcpStream::connect(address).await?;
        tcp.write_all(&tls12_hello()).await?;
        let answer = until_closed(tcp).await?;
        // A fatal alert, protocol_version.
        ensure!(answer[..1] == [0x15] && answer.ends_with(&[2, 70]), "{answer:?}");
    }
    serves(&world).await
}

/// The one test that waits: a connection that says nothing, before its handshake or after it, is
/// closed by itself. All of them at once.
#[tokio::test(flavor = "multi_thread")]
async fn who_says_nothing_is_closed() -> Result<()> {
    let world = world().await?;
    let worker = world.enrolled("worker").await?;
    let tls = async |address: SocketAddr, credentials| {
        let config = ClientConfig::identified(credentials, Clock::system())?;
        Ok::<_, anyhow::Error>(dial(&address.to_string(), &config, DEADLINE).await?)
    };
    let agent = tls(world.agents, &worker).await?;
    let admin = tls(world.admins, &world.credentials).await?;
    // One that begins to speak and then does not go on is no better.
    let mut half = tls(world.agents, &worker).await?;
    half.write_all(b"PRI * HTTP/2.0\r\n").await?;
    let (one, other) =
        (TcpStream::connect(world.agents).await?, TcpStream::connect(world.admins).await?);
    let (agent, admin, half, one, other) = tokio::join!(
        until_closed(agent),
        until_closed(admin),
        until_closed(half),
        until_closed(one),
        until_closed(other)
    );
    ensure!(one?.is_empty() && other?.is_empty(), "a stranger who says nothing is answered");
    for spoken in [agent, admin, half] {
        spoken?;
    }
    serves(&world).await
}

#[tokio::test(flavor = "multi_thread")]
async fn half_open_handshakes_keep_nobody_out() -> Result<()> {
    let world = world().await?;
    let mut half_open = Vec::new();
    for address in [world.agents, world.admins] {
        for at in 0..300 {
            let mut tcp = TcpStream::connect(address).await?;
            if at % 2 == 0 {
                tcp.write_all(&[0x16, 3, 1]).await?;
            }
            half_open.push(tcp);
        }
    }
    serves(&world).await?;
    // Without an end of the oldest, the good would have waited until the others timed out.
    let (mut closed, mut buffer) = (0, [0; 1]);
    for tcp in &half_open {
        closed += usize::from(!matches!(tcp.try_read(&mut buffer), Err(error)
            if error.kind() == std::io::ErrorKind::WouldBlock));
    }
    ensure!(closed < half_open.len() / 2, "{closed} of {} had timed out", half_open.len());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_has_four_connections() -> Result<()> {
    let world = world().await?;
    let worker = world.enrolled("worker").await?;
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(world.agent_channel(&worker).await?);
    }
    let mut stream = Stream::open(held[0].clone(), hello()).await?;
    let Message::Welcome(_) = stream.next().await? else { bail!("no welcome") };
    let fifth = match world.agent_channel(&worker).await {
        // It is refused after its handshake, which may be while it is being used.
        Ok(channel) => Stream::open(channel, hello()).await.is_ok(),
        Err(_) => false,
    };
    ensure!(!fifth, "a fifth connection");
    ensure!(stream.manifest().await?.entries.len() == 1, "the first was cut");
    // Another identity has its own four.
    serves(&world).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oversize_message_is_refused_with_the_limit() -> Result<()> {
    let world = world().await?;
    let mut secrets = world.admin.secrets();
    let limit = (2 << 20).to_string();
    let refused = secrets.put_secret(put_request("a", &vec![0; 3 << 20])).await.err();
    let refused = refused.context("3 MiB were taken")?;
    ensure!(refused.code() == Code::OutOfRange, "{refused}");
    ensure!(refused.message().contains(&limit), "{refused}");
    let file = ManifestFile { name: "m.json".into(), content: vec![b' '; 3 << 20] };
    let request = ApplyManifestRequest { files: vec![file], ..ApplyManifestRequest::default() };
    let refused = world.admin.agents().apply_manifest(request).await.err();
    ensure!(refused.is_some_and(|it| it.code() == Code::OutOfRange), "3 MiB were taken");

    let limit = (256 << 10).to_string();
    let token = world.admin.token("worker").await?;
    let stranger = peer::anonymous(&world.agents.to_string(), &token).await?;
    let request = JoinRequest { token, certificate_request_der: vec![0; 300 << 10] };
    let refused = EnrolmentServiceClient::new(stranger).join(request).await.err();
    let refused = refused.context("300 KiB were taken")?;
    ensure!(refused.code() == Code::OutOfRange, "{refused}");
    ensure!(refused.message().contains(&limit), "{refused}");

    let mut stream = world.stream(hello()).await?;
    let result = SecretResult { detail: "d".repeat(300 << 10), ..SecretResult::default() };
    stream.say(watch_request::Message::Ack(Ack { nonce: 1, results: vec![result] })).await?;
    let end = loop {
        match stream.response().await {
            Ok(Some(_)) => {}
            Ok(None) => break None,
            Err(status) => break Some(status),
        }
    };
    ensure!(end.as_ref().is_some_and(|it| it.message().contains(&limit)), "{end:?}");
    serves(&world).await
}
