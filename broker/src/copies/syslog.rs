//! Syslog: each entry is a message of RFC 5424, with the line of the audit file as its text.
//!
//! ```text
//! <110>1 2026-11-27T12:00:00.000000Z HOST secretref-broker PID secret.put
//!     [origin software="secretref-broker" swVersion="0.1.0"][meta sequenceId="42"] {"time":…}
//! ```
//! The facility is 13 (log audit); what was allowed is informational, what was denied a warning.
//! Over TCP and TLS each message follows its length (RFC 6587, 3.4.1; RFC 5425, 4.3).
//!
//! No collector says what it has. How far it is stands in a file, and is written after the
//! messages: whoever looks at `lane` and `seq` knows one that came twice. After a connection that
//! broke, what may have been on its way is sent again.

mod connection;
mod position;

use super::{Outlet, PAGE, line::Line};
use crate::{config, custody::AuditLine, permits::Permits};
use connection::Connection;
use position::Position;
use secretref_domain::{audit::Decision, id::BrokerId};
use std::{path::PathBuf, process, sync::Arc};

/// A collector of messages.
pub struct Syslog {
    settings: config::Syslog,
    permits: Arc<Permits>,
    host: String,
    position: Position,
    /// Where to go on, once that is known.
    last: Option<i64>,
    connection: Option<Connection>,
}

impl Syslog {
    /// A collector that gets a lane; how far it is stands in the file `position`.
    #[must_use]
    pub fn new(
        lane: BrokerId,
        settings: config::Syslog,
        position: PathBuf,
        permits: Arc<Permits>,
    ) -> Self {
        let name = rustix::system::uname();
        Self {
            settings,
            permits,
            host: printable(&name.nodename().to_string_lossy(), HOST_CHARS_MAX),
            position: Position::of(position, lane),
            last: None,
            connection: None,
        }
    }

    fn message(&self, entry: &AuditLine, recipients_max: usize) -> Result<Vec<u8>, String> {
        let text = serde_json::to_string(&Line::of(entry, recipients_max));
        let text = text.map_err(|error| error.to_string())?;
        let entry = &entry.entry;
        let severity = match entry.decision {
            Decision::Allowed => INFORMATIONAL,
            Decision::Denied => WARNING,
        };
        // RFC 5424, 7.3.1: from 1 to 2147483647, and then from 1 again.
        let sequence = (entry.seq - 1) % i64::from(i32::MAX) + 1;
        let message = format!(
            "<{priority}>1 {at} {host} {SOFTWARE} {pid} {id} [origin software=\"{SOFTWARE}\" \
             swVersion=\"{version}\"][meta sequenceId=\"{sequence}\"] {text}",
            priority = LOG_AUDIT * 8 + severity,
            at = entry.at,
            host = self.host,
            pid = process::id(),
            id = printable(&entry.action, ID_CHARS_MAX),
            version = env!("CARGO_PKG_VERSION"),
        );
        Ok(message.into_bytes())
    }

    async fn send(&mut self, entries: &[AuditLine]) -> Result<(), String> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(&self.settings, &self.permits).await?,
        };
        let recipients_max =
            if connection.is_stream() { usize::MAX } else { DATAGRAM_RECIPIENTS_MAX };
        for entry in entries {
            connection.send(self.message(entry, recipients_max)?).await?;
        }
        connection.flush().await?;
        self.connection = Some(connection);
        Ok(())
    }
}

impl Outlet for Syslog {
    fn name(&self) -> String {
        self.settings.address.clone()
    }

    async fn last(&mut self) -> Result<i64, String> {
        match self.last {
            Some(last) => Ok(last),
            None => {
                let last = self.position.read().await?;
                self.last = Some(last);
                Ok(last)
            }
        }
    }

    async fn put(&mut self, entries: &[AuditLine]) -> Result<(), String> {
        let before = entries.first().map_or(0, |it| it.entry.seq - 1);
        if let Err(error) = self.send(entries).await {
            // What was sent shortly before may not have arrived either.
            self.last = Some((before - PAGE).max(0));
            return Err(error);
        }
        let last = entries.last().map_or(before, |it| it.entry.seq);
        self.last = Some(last);
        self.position.write(last).await
    }
}

/// A field of a header: printable ASCII without spaces, else `-`.
fn printable(text: &str, chars_max: usize) -> String {
    let fitting: String = text.chars().filter(char::is_ascii_graphic).take(chars_max).collect();
    if fitting.is_empty() { "-".to_owned() } else { fitting }
}

/// What the messages are of.
const SOFTWARE: &str = env!("CARGO_PKG_NAME");
/// Facility: log audit.
const LOG_AUDIT: u8 = 13;
const WARNING: u8 = 4;
const INFORMATIONAL: u8 = 6;
/// Of a host name, and of the id of a message (RFC 5424, 6).
const HOST_CHARS_MAX: usize = 255;
const ID_CHARS_MAX: usize = 32;
/// Recipients of a message that has to fit into one datagram of 64 KiB.
const DATAGRAM_RECIPIENTS_MAX: usize = 400;

#[cfg(test)]
mod tests;
