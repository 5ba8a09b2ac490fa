use super::{Bound, CLIENTS_MAX, Desk, Item, MissingItem, Shelf, serve};
use crate::{refusals::Refusals, status::Status, witness::Witness};
use secretref_domain::{
    clock::{Clock, Timestamp},
    name::{EnvVar, FileName, SecretName},
    value::SecretValue,
    version::Version,
};
use secretref_proto::v1::RotationEffect;
use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, sync::Arc, time::Duration};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    sync::watch,
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

mod hostile;
mod routes;

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_000_000)
    }
}

/// A socket that is served, and both ends of it.
struct Served {
    shelf: watch::Sender<Arc<Shelf>>,
    status: watch::Sender<Status>,
    witness: Witness,
    refusals: Refusals,
    stop: CancellationToken,
    serving: JoinHandle<()>,
    path: PathBuf,
    _folder: TempDir,
}

fn item(secret: &str, version: i64, value: Option<&[u8]>) -> Item {
    Item {
        secret: SecretName::parse(secret).unwrap(),
        reference: secret.to_owned(),
        tool: "tool".to_owned(),
        key: "key".to_owned(),
        env_var: Some(EnvVar::parse("STRIPE").unwrap()),
        version: Version::new(version).unwrap(),
        valid_until: None,
        effect: RotationEffect::Nothing,
        value: value.map(|value| Arc::new(SecretValue::new(value.to_vec()).unwrap())),
    }
}

fn shelf(sequence: u64, items: Vec<(&str, Item)>) -> Arc<Shelf> {
    Arc::new(Shelf {
        sequence,
        revision: 7,
        received: true,
        items: items
            .into_iter()
            .map(|(name, item)| (FileName::parse(name).unwrap(), item))
            .collect(),
        missing: vec![MissingItem {
            reference: "gone".to_owned(),
            reason: "capability missing".to_owned(),
            required: true,
        }],
    })
}

impl Served {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let path = folder.path().join("agent.sock");
        let bound = Bound::bind(&path, None).unwrap();
        let (shelf, offered) = watch::channel(Arc::new(Shelf::default()));
        let (status, seen) = watch::channel(Status::default());
        let (witness, refusals) = (Witness::default(), Refusals::default());
        let desk = Desk {
            shelf: offered,
            status: seen,
            refusals: refusals.clone(),
            witness: witness.clone(),
            clock: Arc::new(Still),
            group: None,
        };
        let stop = CancellationToken::new();
        let serving = tokio::spawn(serve(bound, desk, stop.clone()));
        Self { shelf, status, witness, refusals, stop, serving, path, _folder: folder }
    }

    fn offer(&self, sequence: u64, items: Vec<(&str, Item)>) {
        self.shelf.send_replace(shelf(sequence, items));
    }

    async fn connect(&self) -> UnixStream {
        UnixStream::connect(&self.path).await.unwrap()
    }

    /// Sends bytes and reads until the other end closes.
    async fn say(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        // It may be closed before all of it is taken.
        drop(stream.write_all(bytes).await);
        rest(&mut stream).await
    }

    async fn ask(&self, method: &str, target: &str) -> String {
        let request = format!("{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        self.say(request.as_bytes()).await
    }

    async fn get(&self, target: &str) -> String {
        self.ask("GET", target).await
    }
}

async fn rest(stream: &mut UnixStream) -> String {
    let mut bytes = Vec::new();
    // A reset is an end too.
    drop(timeout(DEADLINE, stream.read_to_end(&mut bytes)).await.expect("it stays open"));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads until some text has come.
async fn until(stream: &mut UnixStream, wanted: &str) -> String {
    let mut bytes = Vec::new();
    let reading = async {
        while !String::from_utf8_lossy(&bytes).contains(wanted) {
            assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "closed before {wanted:?}");
        }
    };
    let came = timeout(DEADLINE, reading).await;
    assert!(came.is_ok(), "{wanted:?} did not come: {}", String::from_utf8_lossy(&bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

const DEADLINE: Duration = Duration::from_secs(60);
