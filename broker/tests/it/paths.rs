//! A path that is not to the letter a method of its port reaches no handler: unknown, in another
//! spelling, without a slash or with two.

use crate::{
    matrix::call,
    world::{World, put_request},
};
use anyhow::{Context, Result, ensure};
use prost::Message;
use secretref_identity::{
    client::{ClientConfig, dial},
    clock::Clock,
};
use secretref_proto::{
    method::Method,
    v1::{GetSecretRequest, PutSecretRequest},
};
use secretref_testkit::{engine::Engine, wait::DEADLINE};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use tonic::Code;

/// Other spellings of a path that a client of ours would send.
fn spellings(path: &str) -> Vec<String> {
    let (service, method) = path[1..].split_once('/').unwrap_or_default();
    vec![
        format!("/{path}"),
        format!("//{}", &path[1..]),
        format!("{path}/"),
        format!("{path}/x"),
        format!("/{service}//{method}"),
        format!("/./{service}/{method}"),
        format!("/x/../{service}/{method}"),
        path.to_uppercase(),
        path.to_lowercase(),
        format!("/{}/{method}", service.to_lowercase()),
        format!("/{service}/{}", method.to_lowercase()),
        format!("/{service}"),
        format!("/{service}/"),
        format!("/{method}"),
        format!("/{service}.{method}"),
        format!("/{}/{method}", service.replace("v1", "v2")),
        format!("/{}/{method}", service.replace("secretref", "secretreff")),
        format!("/{}/{method}", service.replace('.', "%2e")),
        path.replace(method, &format!("%{:02X}{}", method.as_bytes()[0], &method[1..])),
        format!("{path}?x=1"),
        format!("{path}?"),
        format!("{path};x"),
        format!("{path}%00"),
        format!("/grpc.health.v1.Health{path}"),
        format!("/grpc.health.v1.Health/..{path}"),
        "/".to_owned(),
        "/*".to_owned(),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_spelling_reaches_a_method() -> Result<()> {
    let world = World::with_busy_worker(Engine::Sqlite, &["a"]).await?;
    let agent = world.agent_channel(&world.enrolled("worker").await?).await?;
    let admin = world.admin.channel();
    let mut tried = 0;
    for method in Method::ALL {
        for path in spellings(method.path()) {
            for channel in [&agent, &admin] {
                let answer = call(channel, path.parse()?, Vec::new()).await?;
                let answer = answer.with_context(|| format!("{path} was answered"))?;
                ensure!(answer.code() == Code::Unimplemented, "{path}: {answer}");
                tried += 1;
            }
        }
    }
    println!("{tried} spellings, none of them served");
    Ok(())
}

/// What no client library sends: frames by hand.
#[tokio::test(flavor = "multi_thread")]
async fn a_path_without_a_slash_reaches_nothing() -> Result<()> {
    let world = World::with_busy_worker(Engine::Sqlite, &["a"]).await?;
    let method = Method::PutSecret.path();
    // A fragment is cut off by the HTTP library before anybody here sees the path.
    let odd = [
        method[1..].to_owned(),
        format!(" {method}"),
        format!("*{method}"),
        format!("https://localhost{method}"),
        format!("http:{method}"),
        format!("\\{}", &method[1..]),
        String::new(),
        "*".to_owned(),
    ];
    for (number, path) in odd.iter().enumerate() {
        put_by_hand(&world, path, &format!("odd-{number}")).await?;
        let request = GetSecretRequest { name: format!("odd-{number}"), ..Default::default() };
        let found = world.admin.secrets().get_secret(request).await;
        ensure!(found.is_err_and(|it| it.code() == Code::NotFound), "{path:?} put a secret");
    }
    // The same by hand on the right path, so that it is the path that makes the difference.
    put_by_hand(&world, method, "even").await?;
    let request = GetSecretRequest { name: "even".to_owned(), ..Default::default() };
    world.admin.secrets().get_secret(request).await?;
    Ok(())
}

/// Sends one request on a connection of its own, and waits until it is answered or cut.
async fn put_by_hand(world: &World, path: &str, name: &str) -> Result<()> {
    let config = ClientConfig::identified(&world.credentials, Clock::system())?;
    let mut tls = dial(&world.admins.to_string(), &config, DEADLINE).await?;
    let request: PutSecretRequest = put_request(name, b"by hand");
    let message = request.encode_to_vec();
    let mut body = vec![0];
    body.extend(u32::try_from(message.len())?.to_be_bytes());
    body.extend(message);
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(4, 0, 0, &[]));
    bytes.extend(frame(1, 4, 1, &headers(path)));
    bytes.extend(frame(0, 1, 1, &body));
    tls.write_all(&bytes).await?;
    let answered = async {
        let mut header = [0; 9];
        while tls.read_exact(&mut header).await.is_ok() {
            let length = u32::from_be_bytes([0, header[0], header[1], header[2]]);
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            if tls.read_exact(&mut payload).await.is_err() {
                break;
            }
            // The end of stream 1, its reset, or the end of the connection.
            let ended = matches!(header[3], 0 | 1) && header[4] & 1 == 1;
            if ended || matches!(header[3], 3 | 7) {
                break;
            }
        }
    };
    timeout(DEADLINE, answered).await.with_context(|| format!("{path:?} had no end"))
}

/// Length, kind, flags, stream, payload (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Literal header fields, never indexed, without compression (RFC 7541, section 6.2.3).
fn headers(path: &str) -> Vec<u8> {
    let fields = [
        (":method", "POST"),
        (":scheme", "https"),
        (":path", path),
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0x10);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend(text.as_bytes());
        }
    }
    block
}
