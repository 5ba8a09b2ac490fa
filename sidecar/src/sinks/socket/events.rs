//! The stream of changes (Server-Sent Events): the whole list first, then what differs.
//!
//! ```text
//! id: 12                                  Shelf.sequence
//! event: secret
//! data: {"name":"STRIPE_API_KEY","version":8,"state":"current"}
//! ```
//! States: `current`, `withdrawn` (lease or expiry), `removed`. A level, not a queue: whoever is
//! slow is told the last of several changes, and nothing piles up for whoever does not read.

use super::{Desk, Shelf, body::Body, routes::response};
use hyper::{Response, StatusCode, body::Bytes};
use secretref_domain::{name::FileName, version::Version};
use std::{collections::BTreeMap, fmt::Write, sync::Arc, time::Duration};
use tokio::{sync::mpsc, time::sleep};
use tokio_util::sync::CancellationToken;

/// How often a line is sent that says nothing, so that an end is noticed.
const ALIVE_EVERY: Duration = Duration::from_secs(15);

/// Answers with a stream, which ends with its client or with the sidecar.
pub(super) fn stream(desk: Desk, stop: CancellationToken) -> Response<Body> {
    let (to_client, frames) = mpsc::channel(1);
    tokio::spawn(async move {
        tokio::select! {
            () = tell(desk, &to_client) => {}
            () = stop.cancelled() => {}
            () = to_client.closed() => {}
        }
    });
    response(StatusCode::OK, "text/event-stream", Body::Stream(frames))
}

async fn tell(desk: Desk, to_client: &mpsc::Sender<Bytes>) {
    let mut shelves = desk.shelf;
    let mut told = BTreeMap::new();
    let mut text = ": secretref\n\n".to_owned();
    loop {
        // Room first, and only then what is to be said: so it is the newest.
        let Ok(room) = to_client.reserve().await else { return };
        let shelf = Arc::clone(&shelves.borrow_and_update());
        changes(&mut told, &shelf, &mut text);
        if text.is_empty() {
            drop(room);
        } else {
            room.send(std::mem::take(&mut text).into());
        }
        tokio::select! {
            changed = shelves.changed() => if changed.is_err() { return },
            () = sleep(ALIVE_EVERY) => text.push_str(": alive\n\n"),
        }
    }
}

/// What a client was told of a name: its version, and whether it is there.
type Told = BTreeMap<FileName, (Version, bool)>;

/// Writes what differs, and takes it for told.
fn changes(told: &mut Told, shelf: &Shelf, text: &mut String) {
    let now: Told = shelf
        .items
        .iter()
        .map(|(name, item)| (name.clone(), (item.version, item.value.is_some())))
        .collect();
    for (name, (version, here)) in &now {
        if told.get(name) != Some(&(*version, *here)) {
            let state = if *here { "current" } else { "withdrawn" };
            event(text, shelf.sequence, name, *version, state);
        }
    }
    for (name, (version, _)) in told.iter().filter(|(name, _)| !now.contains_key(*name)) {
        event(text, shelf.sequence, name, *version, "removed");
    }
    *told = now;
}

fn event(text: &mut String, id: u64, name: &FileName, version: Version, state: &str) {
    let what =
        serde_json::json!({ "name": name.as_str(), "version": version.get(), "state": state });
    // Writing to a string cannot fail.
    let _ = write!(text, "id: {id}\nevent: secret\ndata: {what}\n\n");
}
