//! What is answered to whom who asks properly.

use super::{Served, item, rest, until};
use secretref_domain::{clock::Timestamp, name::SecretName, version::Version};
use tokio::io::AsyncWriteExt;

const READ: &str = "stripe";

fn was_read(served: &Served, version: i64) -> bool {
    let (name, version) = (SecretName::parse(READ).unwrap(), Version::new(version).unwrap());
    served.witness.read_at(&name, version).is_some()
}

fn body(answer: &str) -> serde_json::Value {
    let (_, body) = answer.split_once("\r\n\r\n").expect(answer);
    serde_json::from_str(body).expect(answer)
}

#[tokio::test]
async fn one_value_is_given_as_it_is_and_counts_as_read() {
    let served = Served::new();
    assert!(served.get("/v1/secrets/KEY").await.starts_with("HTTP/1.1 503 "));
    served.offer(1, vec![("KEY", item("stripe", 7, Some(b"sk-1\r\n\r\n")))]);
    let head = served.ask("HEAD", "/v1/secrets/KEY").await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && !head.contains("sk-1"), "{head}");
    assert!(head.contains("content-length: 8\r\n"), "{head}");
    assert!(!was_read(&served, 7), "HEAD reads nothing");
    let answer = served.get("/v1/secrets/KEY").await;
    assert!(answer.ends_with("\r\n\r\nsk-1\r\n\r\n"), "{answer}");
    for field in [
        "content-type: application/octet-stream\r\n",
        "cache-control: no-store\r\n",
        "etag: \"v7\"\r\n",
        "secretref-version: 7\r\n",
        "content-length: 8\r\n",
    ] {
        assert!(answer.contains(field) && head.contains(field), "{field}: {answer}");
    }
    assert!(was_read(&served, 7));
}

#[tokio::test]
async fn the_list_has_everything_and_counts_as_read() {
    let served = Served::new();
    let mut withdrawn = item("old", 2, None);
    withdrawn.valid_until = Timestamp::parse("2027-03-08");
    served.offer(
        1,
        vec![
            ("KEY", item("stripe", 7, Some("gr\u{fc}n\"".as_bytes()))),
            ("RAW", item("raw", 1, Some(&[0, 255]))),
            ("OLD", withdrawn),
        ],
    );
    let list = body(&served.get("/v1/secrets").await);
    assert_eq!(list["revision"], 7);
    let key = &list["secrets"]["KEY"];
    assert_eq!(key["value"], "gr\u{fc}n\"");
    let said = serde_json::json!({
        "name": "KEY", "ref": "stripe", "tool": "tool", "key": "key", "env_var": "STRIPE",
        "version": 7, "valid_until": null, "value": "gr\u{fc}n\"",
    });
    assert_eq!(*key, said);
    let raw = &list["secrets"]["RAW"];
    assert_eq!((&raw["value_base64"], raw.get("value")), (&"AP8=".into(), None));
    let old = &list["secrets"]["OLD"];
    assert_eq!(
        (&old["value"], &old["valid_until"]),
        (&serde_json::Value::Null, &"2027-03-08T00:00:00Z".into())
    );
    assert_eq!(list["missing"][0]["reason"], "capability missing");
    assert!(was_read(&served, 7));
}

#[tokio::test]
async fn what_is_not_there_is_said_with_its_reason() {
    let served = Served::new();
    let mut expired = item("old", 2, None);
    expired.valid_until = Some(Timestamp::from_micros(0));
    served.offer(1, vec![("OLD", item("old", 2, None)), ("EXPIRED", expired)]);
    for (target, code, error) in [
        ("/v1/secrets/NONE", 404, "no credential of this agent has the name \"NONE\""),
        ("/v1/secrets/gone", 404, "ref \"gone\" has no value: capability missing"),
        ("/v1/secrets/OLD", 410, "the broker was not heard of in time"),
        ("/v1/secrets/EXPIRED", 410, "expired at 1970-01-01T00:00:00Z"),
        ("/v1/secrets/OLD?wait=1s", 400, "`wait` needs `version`"),
        ("/v1/secrets/", 404, "no credential"),
        ("/v1/secrets/..%2f..", 404, "no credential"),
        ("/", 404, "there is nothing of that name"),
        ("/v2/secrets", 404, "there is nothing of that name"),
    ] {
        let answer = served.get(target).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {code} ")), "{target}: {answer}");
        let said = body(&answer);
        assert!(said["error"].as_str().unwrap().contains(error), "{target}: {answer}");
        assert!(!said["fix"].as_str().unwrap().is_empty());
    }
    served.status.send_modify(|status| status.revoked = true);
    let answer = served.get("/v1/secrets").await;
    assert!(answer.starts_with("HTTP/1.1 410 ") && answer.contains("revoked"), "{answer}");
}

#[tokio::test]
async fn health_says_how_it_is() {
    let served = Served::new();
    let answer = served.get("/v1/health").await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("\"waiting\""), "{answer}");
    served.status.send_modify(|status| status.complete = true);
    let answer = served.get("/v1/health").await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"ready\""), "{answer}");
}

#[tokio::test]
async fn a_client_waits_for_another_version() {
    let served = Served::new();
    served.offer(1, vec![("KEY", item("stripe", 7, Some(b"sk-7")))]);
    let at_once = served.get("/v1/secrets/KEY?version=6&wait=60s").await;
    assert!(at_once.ends_with("sk-7"), "{at_once}");
    let nothing = served.get("/v1/secrets/KEY?version=0&wait=60s").await;
    assert!(nothing.ends_with("sk-7"), "{nothing}");
    for over in ["/v1/secrets/KEY?version=7", "/v1/secrets/KEY?version=7&wait=50ms"] {
        let answer = served.get(over).await;
        assert!(answer.starts_with("HTTP/1.1 304 "), "{answer}");
        assert!(answer.contains("etag: \"v7\"\r\n") && !answer.contains("sk-7"), "{answer}");
    }
    let wait = |version: i64| {
        format!(
            "GET /v1/secrets/KEY?version={version}&wait=60s HTTP/1.1\r\nConnection: close\r\n\r\n"
        )
    };
    let mut waiting = served.connect().await;
    waiting.write_all(wait(7).as_bytes()).await.unwrap();
    // Something else changes, and nothing is answered for that.
    served.offer(
        2,
        vec![("KEY", item("stripe", 7, Some(b"sk-7"))), ("OTHER", item("other", 1, Some(b"x")))],
    );
    served.offer(3, vec![("KEY", item("stripe", 8, Some(b"sk-8")))]);
    let answer = rest(&mut waiting).await;
    assert!(answer.ends_with("sk-8") && answer.contains("secretref-version: 8"), "{answer}");
    let mut waiting = served.connect().await;
    waiting.write_all(wait(8).as_bytes()).await.unwrap();
    served.offer(4, Vec::new());
    assert!(rest(&mut waiting).await.starts_with("HTTP/1.1 404 "));
}

#[tokio::test]
async fn events_tell_what_changes_and_no_value() {
    let served = Served::new();
    served.offer(
        1,
        vec![("A", item("a", 1, Some(b"value-a"))), ("B", item("b", 4, Some(b"value-b")))],
    );
    let mut stream = served.connect().await;
    stream.write_all(b"GET /v1/events HTTP/1.1\r\n\r\n").await.unwrap();
    let first = until(&mut stream, "\"B\"").await;
    assert!(first.contains("content-type: text/event-stream"), "{first}");
    let event = |id: u64, name: &str, version: i64, state: &str| {
        format!(
            "id: {id}\nevent: secret\n\
             data: {{\"name\":\"{name}\",\"state\":\"{state}\",\"version\":{version}}}\n\n"
        )
    };
    assert!(first.contains(&event(1, "A", 1, "current")), "{first}");
    assert!(first.contains(&event(1, "B", 4, "current")), "{first}");
    served.offer(
        2,
        vec![("A", item("a", 2, Some(b"value-a2"))), ("B", item("b", 4, Some(b"value-b")))],
    );
    let second = until(&mut stream, "\"version\":2").await;
    assert!(second.contains(&event(2, "A", 2, "current")) && !second.contains("\"B\""), "{second}");
    served.offer(3, vec![("A", item("a", 2, None))]);
    let third = until(&mut stream, "removed").await;
    assert!(third.contains(&event(3, "A", 2, "withdrawn")), "{third}");
    assert!(third.contains(&event(3, "B", 4, "removed")), "{third}");
    assert!(!format!("{first}{second}{third}").contains("value-"));
    served.stop.cancel();
    rest(&mut stream).await;
    served.serving.await.unwrap();
    assert!(!served.path.exists(), "the socket is still there");
}

impl Served {
    async fn resolve(&self, body: &str) -> String {
        let length = body.len();
        let head = format!("POST /v1/resolve HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n");
        self.say(format!("{head}\r\n{body}").as_bytes()).await
    }
}

#[tokio::test]
async fn names_are_resolved_and_nothing_else_is_given_away() {
    let served = Served::new();
    let asking = r#"{"protocolVersion":1,"provider":"b","ids":["stripe","gone","lapsed","other"]}"#;
    assert!(served.resolve(asking).await.starts_with("HTTP/1.1 503 "));
    let others = [("OTHER", item("slack", 3, Some(b"xoxb"))), ("OLD", item("lapsed", 2, None))];
    let items = [("KEY", item("stripe", 7, Some(b"sk-1")))].into_iter().chain(others);
    served.offer(1, items.collect());
    let answer = served.resolve(asking).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("no-store"), "{answer}");
    let said = body(&answer);
    assert_eq!(said["values"], serde_json::json!({"stripe": "sk-1"}), "{answer}");
    assert_eq!(said["errors"]["gone"]["message"], "capability missing");
    assert_eq!(said["errors"]["lapsed"]["code"], "UNAVAILABLE");
    assert_eq!(said["errors"]["other"]["code"], "NOT_FOUND");
    assert!(!answer.contains("xoxb"), "{answer}");
    assert!(was_read(&served, 7));
    // Only what no tool is bound to is told of: the broker knows the rest.
    assert_eq!(served.refusals.news().await, ["other"]);
}

#[tokio::test]
async fn what_is_no_request_of_the_protocol_is_not_answered() {
    let served = Served::new();
    served.offer(1, vec![("KEY", item("stripe", 7, Some(b"sk-1")))]);
    for (text, code) in [
        ("", "400"),
        ("{}", "400"),
        (r#"{"protocolVersion":2,"ids":["stripe"]}"#, "400"),
        (&" ".repeat(256 * 1024 + 1), "413"),
    ] {
        let answer = served.resolve(text).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {code} ")), "{answer}");
    }
    let elsewhere = "POST /v1/secrets HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n{";
    assert!(served.say(elsewhere.as_bytes()).await.starts_with("HTTP/1.1 413 "));
    assert!(!was_read(&served, 7));
}
