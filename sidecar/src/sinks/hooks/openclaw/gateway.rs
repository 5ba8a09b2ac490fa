//! The gateway's protocol: JSON in text frames of a WebSocket, versions 3 (2026.3.2) and 4.
//!
//! ```text
//! sidecar                                                    ws://127.0.0.1:18789
//!    │ ◀── {"type":"event","event":"connect.challenge", …}
//!    │ {"type":"req","id":"connect","method":"connect","params":{… "auth":{"token": …}}} ──▶
//!    │ ◀── {"type":"res","id":"connect","ok":true, …}                         events between
//!    │ {"type":"req","id":"secrets.reload","method":"secrets.reload","params":{}} ──▶
//!    │ ◀── {"type":"res","id":"secrets.reload","ok":true,"payload":{"warningCount":0, …}}
//! ```
//! A client of the own host with the gateway's token and the name `gateway-client` needs no key
//! of a device. Source: docs/gateway/protocol.md of OpenClaw.

use super::{printable, verdict};
use futures_util::{SinkExt, StreamExt};
use rustix::fs::{self, CWD, FileType, Mode, OFlags};
use secretref_domain::value::SecretValue;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    fs::File,
    io::Read,
    net::SocketAddr,
    path::{Path, PathBuf},
};
use tokio::{net::TcpStream, task::spawn_blocking};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};
use zeroize::Zeroizing;

/// Longest token, in bytes.
const TOKEN_BYTES_MAX: u64 = 4096;
/// Longest message of the gateway, in bytes. Its greeting describes all that it is connected to.
const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
const PROTOCOL_MIN: u32 = 3;
const PROTOCOL_MAX: u32 = 4;

/// Where OpenClaw's gateway is, and what it takes for a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// An address of this host.
    pub address: SocketAddr,
    /// File with the token: read at each call, as it is a credential that changes too.
    pub token_file: PathBuf,
}

/// Has the gateway resolve its secrets anew.
pub(in super::super) async fn ask(gateway: Option<&Gateway>) -> Result<(), String> {
    let Some(Gateway { address, token_file }) = gateway.cloned() else {
        return Err("this sidecar was not started with --openclaw-token-file FILE".to_owned());
    };
    let token = spawn_blocking(move || read(&token_file)).await;
    let token = token.unwrap_or_else(|error| Err(error.to_string()))?;
    let answer = Box::pin(reload(address, &token)).await.map_err(|why| without(&token, &why))?;
    verdict(&answer)
}

async fn reload(address: SocketAddr, token: &SecretValue) -> Result<Value, String> {
    let stream = TcpStream::connect(address).await;
    let stream = stream.map_err(|error| format!("no connection to {address}: {error}"))?;
    let limits = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    let opened = client_async_with_config(format!("ws://{address}/"), stream, Some(limits)).await;
    let (socket, _) = opened.map_err(|error| format!("{address} is no gateway: {error}"))?;
    let mut line = Line(socket);
    while line.heard().await?.event.as_deref() != Some("connect.challenge") {}
    line.call("connect", introduction(token)).await?;
    let answer = line.call("secrets.reload", json!({})).await?;
    // It is answered, however the connection ends.
    drop(line.0.close(None).await);
    Ok(answer)
}

fn introduction(token: &SecretValue) -> Value {
    let version = env!("CARGO_PKG_VERSION");
    json!({
        "minProtocol": PROTOCOL_MIN,
        "maxProtocol": PROTOCOL_MAX,
        "client": {
            "id": "gateway-client",
            "displayName": "secretref-sidecar",
            "version": version,
            "platform": std::env::consts::OS,
            "mode": "backend",
        },
        "role": "operator",
        "scopes": ["operator.admin"],
        "auth": { "token": String::from_utf8_lossy(token.expose()) },
    })
}

/// A connection to the gateway.
struct Line(WebSocketStream<TcpStream>);

impl Line {
    /// Asks, and waits for the answer to that; what else happens meanwhile is not for us.
    async fn call(&mut self, method: &str, params: Value) -> Result<Value, String> {
        let request = json!({ "type": "req", "id": method, "method": method, "params": params });
        let sent = self.0.send(Message::text(request.to_string())).await;
        sent.map_err(|error| format!("no answer to {method}: {error}"))?;
        loop {
            let frame = self.heard().await?;
            if frame.kind != "res" || frame.id.as_deref() != Some(method) {
                continue;
            }
            if frame.ok == Some(true) {
                return Ok(frame.payload);
            }
            let Fault { code, message } = frame.error.unwrap_or_default();
            return Err(format!(
                "it refused {method}: {}",
                printable(&format!("{code} {message}"))
            ));
        }
    }

    async fn heard(&mut self) -> Result<Frame, String> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => {
                    let frame = serde_json::from_str(&text);
                    return frame.map_err(|_| "it does not speak OpenClaw's protocol".to_owned());
                }
                Some(Ok(Message::Close(Some(why)))) => {
                    return Err(format!("it hung up: {}", printable(&why.reason)));
                }
                // A ping is answered by the library.
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(_)) | None => return Err("it hung up".to_owned()),
                Some(Err(error)) => return Err(format!("no answer: {error}")),
            }
        }
    }
}

#[derive(Deserialize)]
struct Frame {
    #[serde(rename = "type")]
    kind: String,
    event: Option<String>,
    id: Option<String>,
    ok: Option<bool>,
    #[serde(default)]
    payload: Value,
    error: Option<Fault>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Fault {
    code: String,
    message: String,
}

/// What listens there may be another's, and say again what it was sent.
fn without(token: &SecretValue, text: &str) -> String {
    text.replace(&*String::from_utf8_lossy(token.expose()), "…")
}

/// The token. Blocks.
fn read(path: &Path) -> Result<SecretValue, String> {
    let name = path.display();
    let failed = |why: &dyn std::fmt::Display| format!("the gateway's token, {name}: {why}");
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let fd = fs::openat(CWD, path, flags, Mode::empty()).map_err(|errno| failed(&errno))?;
    let stat = fs::fstat(&fd).map_err(|errno| failed(&errno))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(failed(&"it is no file"));
    }
    if stat.st_mode & 0o007 != 0 {
        return Err(failed(&format!("everybody may reach it. Fix: chmod o= {name}")));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(256));
    let read = File::from(fd).take(TOKEN_BYTES_MAX + 1).read_to_end(&mut bytes);
    let count = read.map_err(|error| failed(&error))?;
    // An editor or `echo` ends a file with a newline.
    let token = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let token = token.strip_suffix(b"\r").unwrap_or(token);
    if count as u64 > TOKEN_BYTES_MAX || token.is_empty() || !token.iter().all(u8::is_ascii_graphic)
    {
        return Err(failed(&format!("it is not one word of {TOKEN_BYTES_MAX} bytes at most")));
    }
    SecretValue::new(token.to_vec()).map_err(|error| failed(&error))
}
