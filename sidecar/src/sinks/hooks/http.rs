//! A POST to the agent's own host.

use super::HookedFile;
use crate::sinks::loopback;
use secretref_domain::{loopback::LoopbackUrl, name::AgentName};
use std::{io, time::Duration};
use tokio::time::sleep;

/// Posts the names and versions of what is new, and no value. Any 2xx is good; a redirect is
/// not, because it could lead elsewhere.
pub(super) async fn post(
    url: &LoopbackUrl,
    agent: &AgentName,
    files: &[HookedFile],
) -> Result<(), String> {
    let body = body(agent, files);
    match patiently(url, &body).await {
        Ok(200..=299) => Ok(()),
        Ok(status @ 300..=399) => {
            Err(format!("it answered {status}, and redirects are not followed"))
        }
        Ok(status) => Err(format!("it answered {status}")),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            Err(format!("no connection: {error}"))
        }
        Err(error) => Err(format!("no answer: {error}")),
    }
}

/// An agent that is just starting may not listen yet.
async fn patiently(url: &LoopbackUrl, body: &str) -> io::Result<u16> {
    let mut wait = AGAIN;
    for _ in 1..TRIES_MAX {
        match loopback::ask("POST", url, Some(body)).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                sleep(wait).await;
                wait *= 2;
            }
            other => return other,
        }
    }
    loopback::ask("POST", url, Some(body)).await
}

fn body(agent: &AgentName, files: &[HookedFile]) -> String {
    let one = |file: &HookedFile| {
        let (name, version) = (file.file.as_str(), file.version.get());
        serde_json::json!({ "name": name, "version": version })
    };
    let secrets: Vec<_> = files.iter().map(one).collect();
    serde_json::json!({ "agent": agent.as_str(), "secrets": secrets }).to_string()
}

/// Connections that are tried while the port is closed.
const TRIES_MAX: u32 = 3;
const AGAIN: Duration = Duration::from_millis(200);
