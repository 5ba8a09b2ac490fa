//! Attends to the administrators' connections: one whose certificate is revoked, superseded or at
//! its end is cut, whatever it is doing. Its requests are refused from the commit on; this ends
//! what was begun before.

use super::listener::Conn;
use crate::custody::Custody;
use futures_util::{Stream, StreamExt};
use secretref_domain::{change::Serial, id::AdminId};
use secretref_identity::subject::Subject;
use std::{io, time::Duration};
use tonic::transport::server::Connected;

/// The same connections, each attended to for as long as it is open.
pub(super) fn attend(
    incoming: impl Stream<Item = io::Result<Conn>>,
    custody: Custody,
) -> impl Stream<Item = io::Result<Conn>> {
    incoming.inspect(move |conn| {
        if let Ok(conn) = conn {
            watch(conn, custody.clone());
        }
    })
}

fn watch(conn: &Conn, custody: Custody) {
    let info = conn.connect_info();
    let Some(peer) = info.peer else { return };
    let Subject::Admin { admin } = peer.subject else { return };
    tokio::spawn(async move {
        let serial = Serial(peer.serial.to_string());
        let stood = custody.stands_until(AdminId(admin), &serial).is_some();
        tokio::select! {
            // A connection that has ended has killed itself.
            () = info.kill.cancelled() => return,
            () = custody.until_refused(AdminId(admin), &serial) => {}
        }
        // The answer to whoever renewed his own certificate is still to leave; and one who comes
        // with what was superseded before may be about to ask for it again.
        let linger = if stood { LINGER } else { STAY };
        tokio::select! {
            () = info.kill.cancelled() => {}
            () = tokio::time::sleep(linger) => info.kill.cancel(),
        }
    });
}

/// How long what was said last is given to leave.
const LINGER: Duration = Duration::from_millis(300);
/// How long a connection may stay whose certificate was refused from the start: one request.
const STAY: Duration = Duration::from_secs(10);
