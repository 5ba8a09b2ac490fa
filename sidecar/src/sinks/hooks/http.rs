//! A POST to the agent's own host.

use super::HookedFile;
use hyper::{Request, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use secretref_domain::name::AgentName;
use std::{io, net::SocketAddr, time::Duration};
use tokio::{net::TcpStream, time::sleep};
use tokio_util::task::AbortOnDropHandle;

/// Connections that are tried while the port is closed, as when an agent is just starting.
const TRIES_MAX: u32 = 3;

/// Posts the names and versions of what is new, and no value. Any 2xx is good; a redirect is
/// not, because it could lead elsewhere.
pub(super) async fn post(
    address: SocketAddr,
    path: &str,
    agent: &AgentName,
    files: &[HookedFile],
) -> Result<(), String> {
    let stream = connect(address).await.map_err(|error| format!("no connection: {error}"))?;
    let failed = |error: hyper::Error| format!("no answer: {error}");
    let mut builder = http1::Builder::new();
    builder.max_buf_size(ANSWER_BYTES_MAX).max_headers(ANSWER_FIELDS_MAX);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(failed)?;
    let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
    let request = Request::post(path)
        .header(header::HOST, address.to_string())
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONNECTION, "close")
        .body(body(agent, files))
        .map_err(|error| format!("no request: {error}"))?;
    let status = sender.send_request(request).await.map_err(failed)?.status();
    if status.is_success() {
        Ok(())
    } else if status.is_redirection() {
        Err(format!("it answered {}, and redirects are not followed", status.as_u16()))
    } else {
        Err(format!("it answered {}", status.as_u16()))
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let mut wait = AGAIN;
    for _ in 1..TRIES_MAX {
        match TcpStream::connect(address).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                sleep(wait).await;
                wait *= 2;
            }
            other => return other,
        }
    }
    TcpStream::connect(address).await
}

fn body(agent: &AgentName, files: &[HookedFile]) -> String {
    let one = |file: &HookedFile| {
        let (name, version) = (file.file.as_str(), file.version.get());
        serde_json::json!({ "name": name, "version": version })
    };
    let secrets: Vec<_> = files.iter().map(one).collect();
    serde_json::json!({ "agent": agent.as_str(), "secrets": secrets }).to_string()
}

const AGAIN: Duration = Duration::from_millis(200);
const ANSWER_BYTES_MAX: usize = 16 * 1024;
const ANSWER_FIELDS_MAX: usize = 64;
