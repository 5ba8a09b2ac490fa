//! What is spoken: TLS 1.3 and HTTP/2, in time.

use super::world::*;
use secretref_identity::{
    client::{ClientConfig, ConnectError, dial},
    server::{AcceptError, accept},
};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, duplex},
    net::TcpListener,
};

/// A ClientHello of TLS 1.2: no supported_versions, one suite, and the extensions that it needs.
const TLS_1_2_HELLO: &[u8] = &[
    0x16, 0x03, 0x01, 0x00, 0x43, // handshake record of 67 bytes
    0x01, 0x00, 0x00, 0x3f, // ClientHello of 63 bytes
    0x03, 0x03, // TLS 1.2
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, //
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,    // random
    0x00, // no session
    0x00, 0x02, 0xc0, 0x2b, // ECDHE-ECDSA-AES128-GCM-SHA256
    0x01, 0x00, // no compression
    0x00, 0x14, // extensions of 20 bytes
    0x00, 0x0a, 0x00, 0x04, 0x00, 0x02, 0x00, 0x17, // supported_groups: secp256r1
    0x00, 0x0d, 0x00, 0x04, 0x00, 0x02, 0x04, 0x03, // signature_algorithms: ecdsa p256 sha256
    0x00, 0x17, 0x00, 0x00, // extended_master_secret
];

#[tokio::test]
async fn tls_1_2_is_refused_with_the_alert_for_it() {
    let world = World::new();
    let door = world.agents_door(at(NOW));
    let (mut here, there) = duplex(64 * 1024);
    here.write_all(TLS_1_2_HELLO).await.unwrap();
    let mut answer = Vec::new();
    let (served, read) = tokio::join!(accept(there, &door, LONG), here.read_to_end(&mut answer));
    let error = served.err().unwrap();
    let AcceptError::Refused(rustls::Error::PeerIncompatible(why)) = &error else {
        panic!("{error:?}");
    };
    assert!(format!("{why:?}").contains("SupportedVersions"), "{why:?}");
    read.unwrap();
    // An alert record: fatal (2), protocol_version (70).
    assert_eq!((answer[0], &answer[5..]), (0x15, &[2, 70][..]));
}

#[tokio::test]
async fn the_post_quantum_hybrid_is_agreed_on() {
    let world = World::new();
    let client = Arc::new(world.client(None));
    let (here, there) = duplex(64 * 1024);
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let door = world.agents_door(at(NOW));
    let (served, dialled) = tokio::join!(
        accept(there, &door, LONG),
        tokio_rustls::TlsConnector::from(client).connect(name, here)
    );
    drop(served.unwrap());
    let stream = dialled.unwrap();
    let session = stream.get_ref().1;
    let group = session.negotiated_key_exchange_group().unwrap().name();
    assert_eq!(group, rustls::NamedGroup::X25519MLKEM768);
    assert_eq!(session.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    assert_eq!(session.alpn_protocol(), Some(&b"h2"[..]));
}

#[tokio::test]
async fn whoever_does_not_speak_http_2_is_refused() {
    let world = World::new();
    let door = world.agents_door(at(NOW));
    let mut silent = world.client(None);
    silent.alpn_protocols.clear();
    let (served, _) = knock(&door, Arc::new(silent)).await;
    assert!(matches!(served, Err(AcceptError::NoHttp2)));
    let mut older = world.client(None);
    older.alpn_protocols = vec![b"http/1.1".to_vec()];
    let (served, learnt) = knock(&door, Arc::new(older)).await;
    assert!(matches!(served, Err(AcceptError::Refused(_))));
    assert!(learnt.is_err());
}

#[tokio::test]
async fn garbage_and_silence_and_leaving_are_told_apart() {
    let world = World::new();
    let door = world.agents_door(at(NOW));
    let (mut here, there) = duplex(1024);
    here.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert!(matches!(accept(there, &door, LONG).await, Err(AcceptError::Refused(_))));
    let (here, there) = duplex(1024);
    drop(here);
    assert!(matches!(accept(there, &door, LONG).await, Err(AcceptError::Broken(_))));
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_stalls_is_given_up() {
    let world = World::new();
    let door = world.agents_door(at(NOW));
    let (_here, there) = duplex(1024);
    let limit = Duration::from_secs(5);
    assert!(matches!(accept(there, &door, limit).await, Err(AcceptError::TimedOut(_))));
}

#[tokio::test]
async fn a_client_says_why_it_reached_nobody() {
    let world = World::new();
    let client = ClientConfig::pinned([0; 32], at(NOW)).unwrap();
    for address in ["", "broker", "broker:", "broker:0", "broker:65536", ":1", "a b:1", "é:1"] {
        let error = dial(address, &client, LONG).await.unwrap_err();
        assert!(matches!(error, ConnectError::Address { .. }), "{address}: {error}");
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let error = dial(&address, &client, LONG).await.unwrap_err();
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error}");

    let admins = world.admins_door(at(NOW));
    let agent = world.credentials(world.agent(|_| {}));
    let client = ClientConfig::identified(&agent, at(NOW)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serve = async {
        let (tcp, _) = listener.accept().await.unwrap();
        accept(tcp, &admins, LONG).await.err().unwrap()
    };
    let (_, dialled) = tokio::join!(serve, dial(&address, &client, LONG));
    let error = dialled.unwrap_err();
    assert!(error.to_string().contains("does not believe"), "{error}");
}

#[tokio::test]
async fn a_server_that_never_speaks_is_given_up() {
    let client = ClientConfig::pinned([0; 32], at(NOW)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let error = dial(&address, &client, Duration::from_millis(1)).await.unwrap_err();
    assert!(matches!(error, ConnectError::TimedOut { .. }), "{error}");
}
