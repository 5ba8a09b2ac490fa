//! As an agent's own program: to the socket of its sidecar, or to the broker with the sidecar's
//! certificate.

use crate::failure::{Exit, Failure};
use http_body_util::{BodyExt, Full};
use hyper::{Request, StatusCode, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use secretref_identity::{
    client::{self, ClientConfig, ConnectError},
    clock::Clock,
    credentials::{Credentials, Holder, TrustBundle},
    subject::TrustDomain,
};
use serde::Deserialize;
use std::{
    fmt::Display,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{net::UnixStream, time::timeout};
use tonic::transport::Channel;
use zeroize::Zeroizing;

/// What came of asking a sidecar.
pub(crate) enum Answered {
    /// This.
    Done(Zeroizing<Vec<u8>>),
    /// It says no.
    Refused(Failure),
    /// It is not there, or not ready yet.
    Away(String),
}

/// Asks the sidecar at a socket.
pub(crate) async fn resolve(socket: &Path, request: &[u8]) -> Answered {
    match timeout(SOCKET_TIME_MAX, exchange(socket, request)).await {
        Ok(Ok((StatusCode::OK, text))) => Answered::Done(text),
        Ok(Ok((StatusCode::SERVICE_UNAVAILABLE, text))) => Answered::Away(said(&text).0),
        Ok(Ok((_, text))) => {
            let (what, fix) = said(&text);
            Answered::Refused(Failure::new(Exit::Refused, what, fix))
        }
        Ok(Err(error)) => Answered::Away(error),
        Err(_) => Answered::Away("it takes too long".to_owned()),
    }
}

async fn exchange(
    socket: &Path,
    request: &[u8],
) -> Result<(StatusCode, Zeroizing<Vec<u8>>), String> {
    let stream = UnixStream::connect(socket).await.map_err(|error| error.to_string())?;
    let broke = |error: &dyn Display| format!("it broke off: {error}");
    let shaken = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(|error| broke(&error))?;
    let request = Request::post("/v1/resolve")
        .header("host", "secretref")
        .body(Full::new(Bytes::copy_from_slice(request)))
        .map_err(|error| error.to_string())?;
    let answer = async {
        let mut response = sender.send_request(request).await.map_err(|error| broke(&error))?;
        // Room from the start: a buffer that grows leaves copies behind.
        let mut text = Zeroizing::new(Vec::with_capacity(ROOM_BYTES));
        while let Some(frame) = response.frame().await {
            if let Ok(data) = frame.map_err(|error| broke(&error))?.into_data() {
                text.extend_from_slice(&data);
            }
            if text.len() > ANSWER_BYTES_MAX {
                return Err("it answers more than an answer has".to_owned());
            }
        }
        Ok((response.status(), text))
    };
    tokio::pin!(answer, connection);
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        ended = &mut connection => match ended {
            Ok(()) => answer.await,
            Err(error) => Err(broke(&error)),
        },
    }
}

/// What a refusal of the socket says, and what helps.
fn said(text: &[u8]) -> (String, String) {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Said {
        error: String,
        fix: String,
    }
    let said: Said = serde_json::from_slice(text).unwrap_or_default();
    match said.error.is_empty() {
        true => ("the sidecar refused".to_owned(), "see its log".to_owned()),
        false => (said.error, said.fix),
    }
}

/// The identity that a sidecar keeps in its state folder.
#[derive(Deserialize)]
struct Identity {
    trust_domain: String,
    chain: String,
    roots: String,
    key: String,
}

/// Connects to a broker's port for agents with what is in a sidecar's state folder.
pub(crate) async fn connect(broker: &str, folder: &Path) -> Result<Channel, Failure> {
    let (path, identity) = identity(folder)?;
    let key = Zeroizing::new(identity.key);
    let unusable = |error: &dyn Display| {
        let what = format!("the identity in {} cannot be used: {error}", path.display());
        Failure::usage(what, "start the sidecar, which renews it or enrols anew")
    };
    let domain = TrustDomain::parse(&identity.trust_domain).map_err(|error| unusable(&error))?;
    let trust = TrustBundle::from_pem(domain, &identity.roots).map_err(|error| unusable(&error))?;
    let credentials = Credentials::from_pem(&identity.chain, &key, trust);
    let credentials = credentials.map_err(|error| unusable(&error))?;
    let config = ClientConfig::identified(&credentials, Clock::system());
    let holder = Holder::fixed(config.map_err(|error| unusable(&error))?);
    client::connect(broker, holder, CONNECT_TIME_MAX).await.map_err(|error| {
        let text = error.to_string();
        match error {
            ConnectError::Address { .. } => Failure::usage(text, "correct --broker HOST:PORT"),
            ConnectError::Unreachable { .. } | ConnectError::TimedOut { .. } => {
                let fix = "start the broker, or a sidecar with --socket PATH";
                Failure::new(Exit::Unreachable, text, fix)
            }
            ConnectError::NotOurBroker { .. } | ConnectError::Refused { .. } => {
                let fix = "start the sidecar, which renews its certificate, or enrol it anew";
                Failure::new(Exit::Refused, text, fix)
            }
        }
    })
}

/// The newest identity of a folder: the successor counts as soon as it is there.
fn identity(folder: &Path) -> Result<(PathBuf, Identity), Failure> {
    for name in ["next.json", "current.json"] {
        let path = folder.join(name);
        let text = match fs::read(&path) {
            Ok(text) => Zeroizing::new(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => {
                let what = format!("{} cannot be read: {error}", path.display());
                return Err(Failure::usage(what, "run as the sidecar's user"));
            }
        };
        return match serde_json::from_slice(&text) {
            Ok(identity) => Ok((path, identity)),
            Err(error) => {
                let what = format!("{} is not what a sidecar writes: {error}", path.display());
                Err(Failure::usage(what, "name the --state-dir of the agent's sidecar"))
            }
        };
    }
    let what = format!("{} has no identity of a sidecar", folder.display());
    Err(Failure::usage(what, "name the --state-dir of an enrolled sidecar"))
}

/// How long a sidecar may take for an answer, of the 5 s that `OpenClaw` waits.
const SOCKET_TIME_MAX: Duration = Duration::from_secs(3);
const CONNECT_TIME_MAX: Duration = Duration::from_millis(1_500);
const ANSWER_BYTES_MAX: usize = 2 << 20;
const ROOM_BYTES: usize = 64 * 1024;
