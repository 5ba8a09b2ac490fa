use super::*;
use crate::{config::HealthConfig, status::Program};
use tokio::task::spawn_blocking;

fn ask(request: &str, status: &Status) -> String {
    respond(Some(request.as_bytes()), status)
}

fn ready() -> Status {
    Status { complete: true, ..Status::default() }
}

#[test]
fn ready_is_the_first_whole_set_with_nothing_lapsed() {
    let get = |status: &Status| ask("GET /readyz HTTP/1.1\r\n\r\n", status);
    assert!(get(&ready()).starts_with("HTTP/1.1 200 "));
    for (status, word) in [
        (Status::default(), "waiting"),
        (Status { lapsed: true, ..ready() }, "lapsed"),
        (Status { revoked: true, ..ready() }, "revoked"),
    ] {
        let answer = get(&status);
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains(word), "{answer}");
    }
    let scheduled = Status { program: Program::Scheduled, ..Status::default() };
    let answer = get(&scheduled);
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("scheduled"), "{answer}");
    let answer = get(&Status { revoked: true, ..scheduled });
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("revoked"), "{answer}");
    let answer = ask("GET /healthz HTTP/1.1\r\n\r\n", &Status::default());
    assert!(answer.starts_with("HTTP/1.1 200 "), "it lives before it is ready");
}

#[test]
fn nothing_else_is_answered() {
    for (request, code) in [
        ("GET / HTTP/1.1\r\n\r\n", "404"),
        ("POST /healthz HTTP/1.1\r\n\r\n", "405"),
        ("GET /healthz HTTP/2.0\r\n\r\n", "400"),
        ("GET /healthz HTTP/1.1 x\r\n\r\n", "400"),
        ("\r\n\r\n", "400"),
    ] {
        let answer = ask(request, &ready());
        assert!(answer.starts_with(&format!("HTTP/1.1 {code} ")), "{request:?}: {answer}");
    }
    assert!(respond(None, &ready()).starts_with("HTTP/1.1 431 "));
    let head = ask("HEAD /readyz HTTP/1.1\r\n\r\n", &ready());
    assert!(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"));
}

#[tokio::test]
async fn a_head_that_does_not_end_is_cut_off() {
    let long = vec![b'x'; HEAD_BYTES_MAX * 2];
    assert!(head(&mut long.as_slice()).await.unwrap().is_none());
    assert!(head(&mut b"GET / HTTP/1.1\r\n".as_slice()).await.is_err());
}

#[tokio::test]
async fn the_probe_waits_until_it_is_ready() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (told, status) = watch::channel(Status::default());
    let stop = CancellationToken::new();
    let serving = tokio::spawn(serve(listener, status, stop.clone()));
    let config = HealthConfig { address, live: false, wait: Duration::ZERO };
    let once = config.clone();
    let answer = spawn_blocking(move || probe(&once)).await.unwrap();
    assert_eq!(answer.exit_code(), 1, "{answer:?}");
    let waiting = HealthConfig { wait: Duration::from_secs(30), ..config.clone() };
    let waiting = spawn_blocking(move || probe(&waiting));
    told.send_replace(ready());
    assert_eq!(waiting.await.unwrap().exit_code(), 0);
    let live = HealthConfig { live: true, ..config.clone() };
    assert_eq!(spawn_blocking(move || probe(&live)).await.unwrap().exit_code(), 0);
    stop.cancel();
    serving.await.unwrap();
    let answer = spawn_blocking(move || probe(&config)).await.unwrap();
    assert_eq!(answer.exit_code(), 69, "{answer:?}");
}
