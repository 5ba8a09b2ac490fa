//! Whoever does not ask properly.

use super::{CLIENTS_MAX, Served, item, rest, until};
use std::{os::unix::fs::PermissionsExt, time::Duration};
use tokio::io::AsyncWriteExt;

#[tokio::test]
async fn only_get_and_head_and_no_body() {
    let served = Served::new();
    served.offer(1, vec![("KEY", item("stripe", 7, Some(b"sk-1")))]);
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "get", "X"] {
        let answer = served.ask(method, "/v1/secrets/KEY").await;
        assert!(
            answer.starts_with("HTTP/1.1 405 ") && answer.contains("allow: GET, HEAD"),
            "{answer}"
        );
        assert!(!answer.contains("sk-1"));
    }
    for field in ["Content-Length: 3", "Transfer-Encoding: chunked", "Content-Length: 00"] {
        let request = format!("GET /v1/secrets/KEY HTTP/1.1\r\n{field}\r\n\r\nabc");
        let answer = served.say(request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 413 ") && !answer.contains("sk-1"), "{answer}");
    }
    let upgrade = "GET /v1/health HTTP/1.1\r\nConnection: close, upgrade\r\nUpgrade: h2c\r\n\r\n";
    assert!(served.say(upgrade.as_bytes()).await.starts_with("HTTP/1.1 503 "));
}

#[tokio::test]
async fn what_is_too_long_or_no_http_is_refused_and_closed() {
    let served = Served::new();
    served.offer(1, vec![("KEY", item("stripe", 7, Some(b"sk-1")))]);
    let long = "a".repeat(9 * 1024);
    let many = "X: y\r\n".repeat(65);
    for (request, code) in [
        (format!("GET /v1/secrets/KEY HTTP/1.1\r\nX: {long}\r\n\r\n"), "431"),
        (format!("GET /v1/secrets/KEY HTTP/1.1\r\n{many}\r\n"), "431"),
        (format!("GET /{} HTTP/1.1\r\nConnection: close\r\n\r\n", "a".repeat(600)), "414"),
        (format!("GET /{long} HTTP/1.1\r\n\r\n"), "431"),
        ("GET /v1/secrets/KEY HTTP/1.1\r\nX : y\r\n\r\n".to_owned(), "400"),
        ("GET /v1/secrets/KEY HTTP/1.1\r\nX: a\0b\r\n\r\n".to_owned(), "400"),
        ("GET /v1/secrets/KEY\r\n\r\n".to_owned(), "400"),
        ("GET  /v1/secrets/KEY HTTP/1.1\r\n\r\n".to_owned(), "400"),
        ("\u{16}\u{3}\u{1}\u{0}\u{ff}hello\r\n\r\n".to_owned(), "400"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), ""),
    ] {
        let answer = served.say(request.as_bytes()).await;
        let head = answer.lines().next().unwrap_or_default();
        let start = &request[..request.len().min(40)];
        assert!(head.is_empty() || head.contains(code), "{start:?}: {answer}");
        assert!(!answer.contains("sk-1"), "{start:?}: {answer}");
    }
    assert!(served.get("/v1/secrets/KEY").await.ends_with("sk-1"), "it does not serve any more");
}

#[tokio::test]
async fn garbage_after_a_request_ends_the_connection_alone() {
    let served = Served::new();
    served.offer(1, vec![("KEY", item("stripe", 7, Some(b"sk-1")))]);
    let request =
        b"GET /v1/secrets/KEY HTTP/1.1\r\n\r\nGET /v1/secrets/KEY HTTP/1.1\r\n\r\n\0\0\0\r\n";
    let answer = served.say(request).await;
    assert_eq!(answer.matches("sk-1").count(), 2, "{answer}");
    assert!(answer.ends_with("\r\n\r\n") && answer.contains("HTTP/1.1 400 "), "{answer}");
    assert!(served.get("/v1/secrets/KEY").await.ends_with("sk-1"));
}

/// Time stands still but for what is waited for: five seconds pass at once.
#[tokio::test(start_paused = true)]
async fn a_slow_or_idle_client_is_let_go() {
    let served = Served::new();
    served.offer(1, vec![("KEY", item("stripe", 7, Some(b"sk-1")))]);
    for begun in ["", "GET /v1/secrets/KEY HTTP/1.1\r\nX"] {
        let mut stream = served.connect().await;
        stream.write_all(begun.as_bytes()).await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(!answer.contains("sk-1"), "{answer}");
    }
    let mut stream = served.connect().await;
    stream.write_all(b"GET /v1/secrets/KEY HTTP/1.1\r\n\r\n").await.unwrap();
    assert!(rest(&mut stream).await.ends_with("sk-1"));
}

/// Whoever takes nothing of what it asked for holds its place for seconds, not for ever.
#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_let_go() {
    let served = Served::new();
    let value = vec![b'x'; 64 * 1024];
    let names: Vec<String> = (0..100).map(|at| format!("K{at}")).collect();
    let items = names.iter().map(|name| (name.as_str(), item("stripe", 7, Some(&value))));
    served.offer(1, items.collect());
    let mut streams = Vec::new();
    for _ in 0..CLIENTS_MAX {
        let mut stream = served.connect().await;
        stream.write_all(b"GET /v1/secrets HTTP/1.1\r\n\r\n").await.unwrap();
        streams.push(stream);
    }
    loop {
        let answer = served.get("/v1/secrets/K1").await;
        if answer.starts_with("HTTP/1.1 200 ") {
            break;
        }
        assert!(answer.starts_with("HTTP/1.1 503 ") || answer.is_empty(), "{answer}");
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    drop(streams);
}

#[tokio::test]
async fn one_client_too_many_is_told_to_come_again() {
    let served = Served::new();
    served.offer(1, vec![("KEY", item("stripe", 7, Some(b"sk-1")))]);
    let mut streams = Vec::new();
    for _ in 0..CLIENTS_MAX {
        let mut stream = served.connect().await;
        stream.write_all(b"GET /v1/events HTTP/1.1\r\n\r\n").await.unwrap();
        until(&mut stream, "\"KEY\"").await;
        streams.push(stream);
    }
    let answer = served.get("/v1/secrets/KEY").await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("come again"), "{answer}");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("Content-Length: {}", body.len())), "{answer}");
    drop(streams.pop());
    while !served.get("/v1/secrets/KEY").await.ends_with("sk-1") {
        tokio::task::yield_now().await;
    }
}

/// The mode keeps strangers out; where somebody opened it to all, the peer check still does.
#[tokio::test]
async fn a_stranger_is_refused_though_the_mode_lets_him_in() {
    assert!(rustix::process::geteuid().is_root(), "run as root: it connects as another user");
    let served = Served::new();
    served.offer(1, vec![("KEY", item("stripe", 7, Some(b"sk-1")))]);
    let ask = |path: std::path::PathBuf| async move {
        let mut curl = tokio::process::Command::new("curl");
        curl.args(["--silent", "--show-error", "--include", "--unix-socket"]).arg(path);
        curl.arg("http://x/v1/secrets/KEY").uid(65_534).gid(65_534);
        let output = curl.output().await.unwrap();
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&text).into_owned()
    };
    let shut = ask(served.path.clone()).await;
    assert!(!shut.contains("HTTP/1.1"), "{shut}");
    let open = std::fs::Permissions::from_mode(0o666);
    std::fs::set_permissions(&served.path, open).unwrap();
    let refused = ask(served.path.clone()).await;
    assert!(refused.starts_with("HTTP/1.1 403 "), "{refused}");
    assert!(refused.contains("user 65534 may not") && !refused.contains("sk-1"), "{refused}");
}
