//! B3: connections that come and then say nothing, or one byte at a time.

use super::{Siege, sockets_return, victim::Waits};
use crate::soak;
use anyhow::{Context, Result, ensure};
use secretref_identity::client::dial;
use secretref_testkit::{fleet, memory, peer, wait::DEADLINE};
use std::io;
use tokio::{io::AsyncWriteExt, net::TcpStream};

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_say_nothing() -> Result<()> {
    fleet::raise_descriptor_limit()?;
    let mut siege = Siege::laid().await?;
    let stranger = siege.stranger().await?;
    let token = siege.admin.token(super::ATTACKER).await?;
    let before = siege.measure().await?;
    let sockets = memory::sockets(siege.pid()?)?;
    let (count, address) = (soak::count(600, 8_000), siege.address());
    let (mut half_open, mut seen) = (Vec::with_capacity(count), 0);
    let mut waits = Waits::default();
    for number in 0..count {
        let mut tcp = TcpStream::connect(&address).await?;
        match number % 3 {
            // Nothing at all, and the beginning of a record that never ends.
            0 => {}
            _ => drop(tcp.write_all(&[0x16, 3, 1, 2, 0]).await),
        }
        half_open.push(tcp);
        if number % 100 == 0 {
            // A byte a round for those that have begun, while others are served.
            for tcp in half_open.iter_mut().rev().take(100) {
                drop(tcp.write_all(&[0]).await);
            }
            waits.extend(siege.victim.rounds(3).await?);
            seen = seen.max(memory::sockets(siege.pid()?)?);
        }
    }
    // Through the handshake, and then no preface.
    let mut silent = Vec::new();
    for _ in 0..PAST_THE_HANDSHAKE {
        silent.extend(dial(&address, &stranger, DEADLINE).await);
    }
    // Whoever comes now comes in.
    peer::enrolled(&address, &token).await.context("an enrolment during the attack")?;
    ensure!(seen < sockets + 600, "{seen} sockets are open: half-open connections are kept");
    let refused = count - half_open.iter().filter(|tcp| is_open(tcp)).count();
    drop((half_open, silent));
    sockets_return(siege.pid()?, sockets).await?;
    let what = format!("{count} half-open, {refused} ended already, {seen} sockets open at most");
    siege.lifted("B3 connections that say nothing", &before, &waits, &what, 64).await
}

fn is_open(tcp: &TcpStream) -> bool {
    matches!(tcp.try_read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

/// As many connections as strangers of one address may hold.
const PAST_THE_HANDSHAKE: usize = 32;
