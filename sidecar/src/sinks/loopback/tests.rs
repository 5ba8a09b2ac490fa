use super::*;
use tokio::net::TcpListener;

#[test]
fn statuses_are_read_and_nothing_else_is() {
    assert_eq!(status(b"HTTP/1.1 200 OK\r\nX: y\r\n"), Some(200));
    assert_eq!(status(b"HTTP/1.0 503\r\n"), Some(503));
    for wrong in [&b""[..], b"200 OK", b"HTTP/2 200", b"HTTP/1.1 20", b"HTTP/1.1 abc x", b"\xff "] {
        assert_eq!(status(wrong), None, "{wrong:?}");
    }
}

#[tokio::test]
async fn one_request_goes_out_and_its_status_comes_back() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/a?b", listener.local_addr().unwrap());
    let url = LoopbackUrl::parse(&url).unwrap();
    let serving = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n{}") {
            stream.read_buf(&mut head).await.unwrap();
        }
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        String::from_utf8(head).unwrap()
    };
    let (head, answer) = tokio::join!(serving, ask("POST", &url, Some("{}")));
    assert!(head.starts_with("POST /a?b HTTP/1.1\r\n"), "{head}");
    assert_eq!(answer.unwrap(), 204);
    drop(listener);
    assert!(ask("GET", &url, None).await.is_err());
}
