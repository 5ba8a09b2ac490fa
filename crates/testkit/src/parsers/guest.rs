//! What an agent, or a template of its manifest, can say to the sidecar.

use secretref_domain::{
    clock::{Clock, Timestamp},
    id::Digest,
    name::{AgentName, FileName, SecretName},
    value::SecretValue,
    version::Version,
};
use secretref_proto::v1::RotationEffect;
use secretref_sidecar::{
    SystemClock,
    refusals::Refusals,
    sinks::{
        socket::{Desk, Item, Shelf, converse},
        templates::{OUTPUT_BYTES_MAX, Pantry},
    },
    snapshot::{Held, Snapshot, Target},
    status::Status,
    witness::Witness,
};
use std::{collections::BTreeMap, str, sync::Arc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    runtime::{Builder, Runtime},
    sync::watch,
};
use tokio_util::sync::CancellationToken;

/// A template: what it makes is bounded, and what is wrong with it is said without the value.
pub fn template(bytes: &[u8]) {
    let Ok(source) = str::from_utf8(bytes) else { return };
    let (Some(agent), Some(own), Some(held)) = (agent(), secret(), held()) else { return };
    let Some(value) = &held.value else { return };
    let pantry = Pantry::stock(&agent, &Snapshot::default());
    match pantry.render(&own, &held, value, source) {
        Ok(made) => assert!(made.bytes.len() <= OUTPUT_BYTES_MAX, "more than there may be"),
        Err(error) => assert!(!error.to_string().contains(VALUE), "{error} says the value"),
    }
}

/// What a client sends to the socket: it is answered in HTTP or not at all, and the sidecar lives.
pub fn socket(bytes: &[u8]) {
    let Some(runtime) = runtime() else { return };
    let answered = runtime.block_on(conversation(bytes));
    if let Some(text) = answered {
        assert!(text.is_empty() || text.starts_with(b"HTTP/1."), "another protocol");
    }
}

async fn conversation(bytes: &[u8]) -> Option<Vec<u8>> {
    let (mut client, server) = UnixStream::pair().ok()?;
    let (shelf, status) = (watch::Sender::new(Arc::new(shelf()?)), watch::Sender::default());
    let desk = Desk {
        shelf: shelf.subscribe(),
        status: watch::Sender::<Status>::subscribe(&status),
        witness: Witness::default(),
        refusals: Refusals::default(),
        clock: Arc::new(SystemClock) as Arc<dyn Clock>,
        group: None,
    };
    // A long wait or a stream of events ends when the sidecar stops.
    let stop = CancellationToken::new();
    let ended = stop.clone();
    let talk = async move {
        let mut text = Vec::new();
        let sent = client.write_all(bytes).await.is_ok() && client.shutdown().await.is_ok();
        tokio::task::yield_now().await;
        ended.cancel();
        let read = (&mut client).take(ANSWER_BYTES_MAX).read_to_end(&mut text).await;
        (sent && read.is_ok()).then_some(text)
    };
    tokio::join!(converse(server, desk, stop), talk).1
}

fn shelf() -> Option<Shelf> {
    let held = held()?;
    let item = Item {
        secret: secret()?,
        reference: "db".to_owned(),
        tool: "postgres".to_owned(),
        key: "password".to_owned(),
        env_var: None,
        version: held.version,
        valid_until: None,
        effect: RotationEffect::Nothing,
        value: held.value,
    };
    let items = BTreeMap::from([(FileName::parse("db").ok()?, item)]);
    Some(Shelf { sequence: 1, revision: 1, received: true, items, missing: Vec::new() })
}

fn held() -> Option<Held> {
    let target = Target {
        reference: "db".to_owned(),
        tool: "postgres".to_owned(),
        key: "password".to_owned(),
        file: FileName::parse("db").ok()?,
        env_var: None,
        mode: None,
        owner: None,
        on_rotate: None,
        required: true,
        template: None,
    };
    Some(Held {
        version: Version::new(7)?,
        digest: Digest([1; 32]),
        targets: Arc::new([target]),
        expires_at: Some(Timestamp::from_micros(1_800_000_000_000_000)),
        stale_max_ms: None,
        value: Some(Arc::new(SecretValue::new(VALUE.as_bytes().to_vec()).ok()?)),
    })
}

fn agent() -> Option<AgentName> {
    AgentName::parse("worker").ok()
}

fn secret() -> Option<SecretName> {
    SecretName::parse("db").ok()
}

fn runtime() -> Option<Runtime> {
    Builder::new_current_thread().enable_all().build().ok()
}

/// Nothing that a template says by itself.
const VALUE: &str = "4b1d-canary-9e77";
/// An answer and what a pipelined client gets besides.
const ANSWER_BYTES_MAX: u64 = 16 * 1024 * 1024;
