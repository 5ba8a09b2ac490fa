//! B1: frames that no library would send, over connections that passed the handshake.

use super::{ATTACKER, Siege, identified, sockets_return, victim::Waits};
use crate::soak;
use anyhow::{Context, Result, ensure};
use secretref_identity::client::ClientConfig;
use secretref_proto::{
    PROTOCOL_VERSION,
    v1::{Hello, WatchRequest, watch_request},
};
use secretref_testkit::{
    frames::{END_HEADERS, END_STREAM, Kind, Wire, frame, grpc, header, indexed_header, request},
    memory,
};
use std::{sync::Arc, time::Duration};
use tokio::{
    task::JoinSet,
    time::{Instant, timeout_at},
};
use uuid::Uuid;

/// What an attack sends: once at the beginning of each connection, and then again and again.
struct Attack {
    name: &'static str,
    first: fn() -> Vec<u8>,
    /// With the number of the frame on its connection.
    next: fn(u32) -> Vec<u8>,
}

const ATTACKS: [Attack; 10] = [
    // CVE-2023-44487.
    Attack { name: "rapid reset", first: nothing, next: opened_and_reset },
    // CVE-2025-8671: it is the server that is made to reset.
    Attack { name: "made you reset", first: nothing, next: opened_and_broken },
    // CVE-2024-27316.
    Attack { name: "continuation", first: endless_headers, next: more_headers },
    Attack { name: "empty data", first: open_request, next: empty_data },
    Attack { name: "settings", first: nothing, next: settings },
    Attack { name: "ping", first: nothing, next: ping },
    Attack { name: "zero window", first: zero_window, next: watch_without_end },
    Attack { name: "one-byte window", first: one_byte_window, next: one_byte_more },
    // A header that is named again and again costs one byte each time.
    Attack { name: "huge header list", first: nothing, next: header_bomb },
    Attack { name: "priority churn", first: nothing, next: priority },
];

#[tokio::test(flavor = "multi_thread")]
async fn hostile_frames() -> Result<()> {
    let mut siege = Siege::laid().await?;
    let (known, stranger) = (identified(&siege.attacker().await?)?, siege.stranger().await?);
    let (known, stranger) = (Arc::new(known), Arc::new(stranger));
    let before = siege.measure().await?;
    let sockets = memory::sockets(siege.pid()?)?;
    let lasts = Duration::from_millis(u64::try_from(soak::count(500, 10_000))?);
    let (mut figures, mut all) = (Vec::new(), Waits::default());
    for attack in &ATTACKS {
        let mut attackers = JoinSet::new();
        for config in [&known, &stranger] {
            let until = Instant::now() + lasts;
            let flood = flood(siege.address(), Arc::clone(config), attack, until);
            attackers.spawn_on(flood, super::attackers());
        }
        let all_of_them = async move {
            let outcomes = attackers.join_all().await;
            let outcomes = outcomes.into_iter().collect::<Result<Vec<_>>>()?;
            Ok(outcomes.iter().fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1)))
        };
        let (waits, (frames, cuts)) = siege.victim.while_attacked(all_of_them).await?;
        let p99 = waits.p99_ms();
        figures.push(format!("{} {frames} frames, {cuts} cut, p99 {p99:.1} ms", attack.name));
        all.extend(waits);
        sockets_return(siege.pid()?, sockets).await.context(attack.name)?;
    }
    let what = format!("{lasts:?} each: {}", figures.join("; "));
    siege.lifted("B1 hostile frames", &before, &all, &what, 64).await
}

/// Sends as many frames as the broker takes, over as many connections as it takes; counts both the
/// frames and the connections that were cut.
async fn flood(
    address: String,
    config: Arc<ClientConfig>,
    attack: &'static Attack,
    until: Instant,
) -> Result<(u32, u32)> {
    let (mut sent, mut cuts) = (0, 0);
    while Instant::now() < until {
        let Ok(opened) = timeout_at(until, Wire::open(&address, &config)).await else { break };
        // A place may still be held by the connection before.
        let Ok(mut wire) = opened else { continue };
        let mut next = (attack.first)();
        let mut number = 0;
        // What the broker does not read in time is not sent.
        while let Ok(outcome) = timeout_at(until, wire.send(&next)).await {
            if outcome.is_err() {
                cuts += 1;
                break;
            }
            next = (attack.next)(number);
            (number, sent) = (number + 1, sent + 1);
        }
    }
    ensure!(sent > 0, "{}: the broker takes no connection", attack.name);
    Ok((sent, cuts))
}

fn nothing() -> Vec<u8> {
    Vec::new()
}

/// Clients open odd streams.
fn stream(number: u32) -> u32 {
    2 * number + 1
}

fn opened(stream: u32) -> Vec<u8> {
    frame(Kind::Headers, END_HEADERS, stream, &request(WATCH))
}

fn opened_and_reset(number: u32) -> Vec<u8> {
    const CANCEL: u32 = 8;
    let reset = frame(Kind::Reset, 0, stream(number), &CANCEL.to_be_bytes());
    [opened(stream(number)), reset].concat()
}

/// Room of no bytes is an error of the stream, which the server has to reset.
fn opened_and_broken(number: u32) -> Vec<u8> {
    let room = frame(Kind::WindowUpdate, 0, stream(number), &0_u32.to_be_bytes());
    [opened(stream(number)), room].concat()
}

fn endless_headers() -> Vec<u8> {
    frame(Kind::Headers, 0, 1, &request(WATCH))
}

fn more_headers(number: u32) -> Vec<u8> {
    frame(Kind::Continuation, 0, 1, &header(format!("x-{number}").as_bytes(), &[b'x'; 512]))
}

fn open_request() -> Vec<u8> {
    opened(1)
}

fn empty_data(_: u32) -> Vec<u8> {
    frame(Kind::Data, 0, 1, &[])
}

fn setting(name: u16, value: u32) -> Vec<u8> {
    frame(Kind::Settings, 0, 0, &[&name.to_be_bytes()[..], &value.to_be_bytes()].concat())
}

const INITIAL_WINDOW_SIZE: u16 = 4;

fn settings(number: u32) -> Vec<u8> {
    setting(INITIAL_WINDOW_SIZE, 65_535 - number % 2)
}

fn ping(number: u32) -> Vec<u8> {
    frame(Kind::Ping, 0, 0, &u64::from(number).to_be_bytes())
}

fn zero_window() -> Vec<u8> {
    setting(INITIAL_WINDOW_SIZE, 0)
}

fn hello() -> Vec<u8> {
    let hello = Hello {
        protocol_version: PROTOCOL_VERSION,
        client_version: ATTACKER.to_owned(),
        boot_id: Uuid::nil().to_string(),
        stream_seq: 1,
        message_bytes_max: 4 << 20,
        ..Hello::default()
    };
    grpc(&WatchRequest { message: Some(watch_request::Message::Hello(hello)) })
}

/// A stream that is opened and never ended.
pub(crate) fn watch() -> Vec<u8> {
    [opened(1), frame(Kind::Data, 0, 1, &hello())].concat()
}

/// A stream whose answers can never leave, ended by the client as soon as the next is opened.
fn watch_without_end(number: u32) -> Vec<u8> {
    let data = frame(Kind::Data, END_STREAM, stream(number), &hello());
    [opened(stream(number)), data].concat()
}

fn one_byte_window() -> Vec<u8> {
    [setting(INITIAL_WINDOW_SIZE, 1), watch()].concat()
}

fn one_byte_more(_: u32) -> Vec<u8> {
    let one = 1_u32.to_be_bytes();
    [frame(Kind::WindowUpdate, 0, 1, &one), frame(Kind::WindowUpdate, 0, 0, &one)].concat()
}

/// 3,000 bytes that go into the table once, and then 4,000 times by their number.
fn header_bomb(number: u32) -> Vec<u8> {
    let mut block = request(WATCH);
    block.extend(indexed_header(b"x-bomb", &[b'x'; 3_000]));
    block.extend([0x80 | 62; 4_000]);
    frame(Kind::Headers, END_HEADERS | END_STREAM, stream(number), &block)
}

fn priority(number: u32) -> Vec<u8> {
    let parent = stream(number.wrapping_mul(7) % 1_000);
    let weight = [u8::try_from(number % 256).unwrap_or_default()];
    let payload = [&parent.to_be_bytes()[..], &weight].concat();
    frame(Kind::Priority, 0, stream(number % 1_000 + 1_000), &payload)
}

const WATCH: &str = "/secretref.v1.WatchService/Watch";
