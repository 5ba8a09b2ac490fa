//! A commit that happened though its answer was lost: whoever asks again is told what happened.

use crate::place::{Place, ada, apply, join, manifest, put, read};
use anyhow::{Context, Result, ensure};
use secretref_broker::{custody::CustodyError, store::StoreError};
use secretref_testkit::postgres::database;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use uuid::Uuid;

/// A way to a Postgres that can lose the answer of the next commit.
struct Way {
    url: String,
    loses: Arc<AtomicBool>,
}

impl Way {
    async fn to(url: &str) -> Result<Self> {
        let (before, after) = url.rsplit_once('@').context("no user in the URL")?;
        let (address, database) = after.split_once('/').context("no database in the URL")?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("{before}@{}/{database}", listener.local_addr()?);
        let (address, loses) = (address.to_owned(), Arc::new(AtomicBool::new(false)));
        let lost = Arc::clone(&loses);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (address, lost) = (address.clone(), Arc::clone(&lost));
                tokio::spawn(async move {
                    let server = TcpStream::connect(address).await?;
                    relay(client, server, &lost).await
                });
            }
        });
        Ok(Self { url, loses })
    }
}

async fn relay(
    mut client: TcpStream,
    mut server: TcpStream,
    loses: &AtomicBool,
) -> std::io::Result<()> {
    let (mut asked, mut answered) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            count = client.read(&mut asked) => {
                let request = &asked[..count?];
                if request.is_empty() {
                    return Ok(());
                }
                let commits = request.windows(COMMIT.len()).any(|it| it == COMMIT);
                server.write_all(request).await?;
                if commits && loses.swap(false, Ordering::SeqCst) {
                    // The answer is there, so it was done; nobody hears it.
                    return server.read(&mut answered).await.map(drop);
                }
            }
            count = server.read(&mut answered) => {
                let answer = &answered[..count?];
                if answer.is_empty() {
                    return Ok(());
                }
                client.write_all(answer).await?;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_without_an_answer_is_found_back() -> Result<()> {
    let place = Place::found_at(Some(database().await?)).await?;
    let way = Way::to(&place.url).await?;
    let custody = place.open_at(&way.url, place.broker).await?;
    custody.put(&ada(), put("a", b"one"), None).await?;
    apply(&custody, &manifest("worker", &["a"])).await?;
    let worker = join(&custody, "worker").await?.admitted(&custody).await?;
    let stream = custody.subscribe(&worker, Uuid::new_v4()).await?;
    drop(stream.take());
    let key = custody.request_key(&ada(), Uuid::new_v4(), "put", b"two");

    way.loses.store(true, Ordering::SeqCst);
    let outcome = custody.put(&ada(), put("a", b"two"), Some(key)).await;
    let unknown =
        matches!(outcome, Err(CustodyError::Store(StoreError::Unavailable { unknown: true, .. })));
    ensure!(unknown && !way.loses.load(Ordering::SeqCst), "{outcome:?}");
    ensure!(stream.take().is_none(), "a stream was told of what nobody knows");

    let retried = custody.put(&ada(), put("a", b"two"), Some(key)).await?;
    ensure!(retried.answer.1.version.get() == 2, "{retried:?}");
    ensure!(stream.take().is_some(), "the stream was not told when it was found back");
    ensure!(read(&custody, "a").await? == b"two", "another value");
    let mut third = put("a", b"three");
    third.expected = Some(2);
    let third = custody.put(&ada(), third, None).await?;
    ensure!(third.revision == retried.revision.next(), "{third:?} after {retried:?}");
    // The audit lane was found back as well: the same broker opens on it.
    drop(custody);
    ensure!(read(&place.open().await?, "a").await? == b"three", "another value");
    Ok(())
}

/// The command as it is sent, and no longer word that holds it.
const COMMIT: &[u8] = b"COMMIT\0";
