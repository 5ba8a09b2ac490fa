//! One suite for every notifier: it says all that an alert says, nothing of where it goes, and
//! fails as it should. What is posted is taken by a real server, over HTTP and over TLS.

use anyhow::{Context, Result, ensure};
use rustls::RootCertStore;
use secretref_broker::{
    notifiers::{Failure, Notifier},
    outbound::{Outbound, Patience, Trouble},
};
use secretref_domain::{
    alert::{Alert, AlertKind, ChannelKind, ChannelName, Notice},
    clock::Timestamp,
    name::{AgentName, EnvironmentName, SecretName, ToolName},
    value::SecretValue,
};
use secretref_testkit::{
    canary::{Canary, Scanner},
    hook::{Answer, Hook},
};
use serde_json::Value;
use std::{
    io::{self, Write},
    net::TcpListener,
    sync::{Arc, Mutex},
    time::Duration,
};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use uuid::Uuid;

/// A log that is kept in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;
    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// This thread's log at TRACE, as JSON, for as long as the guard lives.
    fn listen(&self) -> tracing::subscriber::DefaultGuard {
        let log = tracing_subscriber::fmt().json().with_max_level(LevelFilter::TRACE);
        tracing::subscriber::set_default(log.with_writer(self.clone()).finish())
    }
}

fn notice(reason: &str) -> Notice {
    let alert = Alert {
        agent: Some(AgentName::parse("payment-analyst").unwrap()),
        tool: Some(ToolName::parse("stripe-payment").unwrap()),
        reference: Some(SecretName::parse("stripe-api-key").unwrap()),
        reason: reason.to_owned(),
        fix: "secretref put stripe-api-key".to_owned(),
        ..Alert::of(AlertKind::Denied, EnvironmentName::parse("production").unwrap())
    };
    Notice { id: Uuid::from_u128(0xfeed), at: Timestamp::from_micros(0), alert, more: 0 }
}

fn channel() -> ChannelName {
    ChannelName::parse("#finance-alerts").unwrap()
}

fn brief() -> Patience {
    Patience { connect: Duration::from_millis(500), whole: Duration::from_millis(500) }
}

fn outbound(patience: Patience) -> Result<Outbound> {
    Ok(Outbound::believing(RootCertStore::empty(), patience)?)
}

fn to(kind: ChannelKind, url: &str, outbound: &Outbound) -> Result<Notifier> {
    let address = SecretValue::new(url.as_bytes().to_vec())?;
    Ok(Notifier::new(kind, Some(&address), outbound)?)
}

/// Sends these by a channel of a kind, and returns each as it arrived.
async fn arrived(kind: ChannelKind, notices: &[Notice]) -> Result<Vec<String>> {
    let outbound = outbound(Patience::default())?;
    let mut arrived = Vec::new();
    if kind == ChannelKind::Log {
        let log = Log::default();
        let guard = log.listen();
        let notifier = Notifier::new(kind, None, &outbound)?;
        for notice in notices {
            notifier.send(&channel(), notice).await?;
        }
        drop(guard);
        let text = log.text();
        let told = text.lines().filter(|line| line.contains("secretref::alert"));
        arrived.extend(told.map(str::to_owned));
        return Ok(arrived);
    }
    let hook = Hook::start([Answer::Says(200, "ok")]).await?;
    let notifier = to(kind, &hook.url("/services/T0/B0"), &outbound)?;
    for notice in notices {
        notifier.send(&channel(), notice).await?;
        let posted = hook.next().await?;
        ensure!(posted.head.starts_with("POST /services/T0/B0 HTTP/1.1"), "{posted:?}");
        let head = posted.head.to_lowercase();
        ensure!(head.contains("content-type: application/json"), "{posted:?}");
        ensure!(head.contains("user-agent: secretref/"), "{posted:?}");
        arrived.push(posted.body);
    }
    Ok(arrived)
}

/// The suite.
async fn conforms(kind: ChannelKind) -> Result<()> {
    // Longer than any part of a time of day.
    let many = Notice { more: 987_654_321, ..notice("capability \"stripe-payment\" missing") };
    let hostile = notice("a\nb {\"x\": 1} <!channel> \u{1b}[2J\" & 付");
    let [first, second, third]: [String; 3] = arrived(kind, &[notice("expired"), many, hostile])
        .await?
        .try_into()
        .map_err(|told| anyhow::anyhow!("three were sent, and this arrived: {told:?}"))?;
    let words = [
        "production",
        "payment-analyst",
        "stripe-payment",
        "stripe-api-key",
        "expired",
        "secretref put stripe-api-key",
        "1970-01-01T00:00:00Z",
        "00000000-0000-0000-0000-00000000feed",
    ];
    for word in words {
        ensure!(first.contains(word), "{kind:?} does not say {word}: {first}");
    }
    let more = "987654321";
    ensure!(!first.contains(more) && second.contains(more), "{kind:?}: {second}");
    // Whatever it says, it is one document.
    serde_json::from_str::<Value>(&third).with_context(|| format!("{kind:?}: {third}"))?;
    ensure!(third.contains('付'), "{kind:?}: {third}");
    Ok(())
}

#[tokio::test]
async fn the_log_conforms() -> Result<()> {
    conforms(ChannelKind::Log).await?;
    let told = arrived(ChannelKind::Log, &[notice("expired")]).await?;
    let told: Value = serde_json::from_str(told.first().context("nothing was logged")?)?;
    ensure!(told["level"] == "WARN" && told["target"] == "secretref::alert", "{told}");
    let fields = [
        ("channel", "#finance-alerts"),
        ("kind", "denied"),
        ("severity", "error"),
        ("environment", "production"),
        ("agent", "payment-analyst"),
        ("tool", "stripe-payment"),
        ("ref", "stripe-api-key"),
        ("reason", "expired"),
        ("fix", "secretref put stripe-api-key"),
        ("time", "1970-01-01T00:00:00Z"),
        ("message", "alert"),
    ];
    for (field, value) in fields {
        ensure!(told["fields"][field] == value, "{field}: {told}");
    }
    ensure!(told["fields"]["more"] == 0, "{told}");
    Ok(())
}

#[tokio::test]
async fn a_webhook_conforms() -> Result<()> {
    conforms(ChannelKind::Webhook).await?;
    posts(ChannelKind::Webhook).await?;
    let told = arrived(ChannelKind::Webhook, &[notice("expired")]).await?;
    let told: Value = serde_json::from_str(&told[0])?;
    let keys: Vec<_> = told.as_object().context("no object")?.keys().cloned().collect();
    let documented = [
        "agent",
        "channel",
        "environment",
        "fix",
        "id",
        "kind",
        "more",
        "provider",
        "reason",
        "ref",
        "severity",
        "since",
        "state",
        "time",
        "tool",
    ];
    ensure!(keys == documented, "{keys:?}");
    Ok(())
}

#[tokio::test]
async fn slack_conforms() -> Result<()> {
    conforms(ChannelKind::Slack).await?;
    posts(ChannelKind::Slack).await?;
    let told = arrived(ChannelKind::Slack, &[notice("<!channel> https://x.example")]).await?;
    let told: Value = serde_json::from_str(&told[0])?;
    ensure!(!told.to_string().contains(['<', '>']), "{told}");
    for block in told["blocks"].as_array().context("no blocks")? {
        ensure!(["section", "context"].contains(&block["type"].as_str().unwrap_or("")), "{block}");
    }
    // What Slack says of a webhook that is gone, and nothing else that a server says.
    for (said, shown) in [("no_service", " (no_service)"), ("see https://x.example", "")] {
        let hook = Hook::start([Answer::Says(404, said)]).await?;
        let notifier = to(ChannelKind::Slack, &hook.url("/"), &outbound(Patience::default())?)?;
        let failed = notifier.send(&channel(), &notice("why")).await.expect_err("404");
        ensure!(failed.to_string() == format!("it answered 404{shown}"), "{failed}");
    }
    Ok(())
}

/// The part of the suite that is for what is posted.
async fn posts(kind: ChannelKind) -> Result<()> {
    let outbound = outbound(brief())?;
    let secret = Canary::new("webhook");
    let path = format!("/{}", secret.value().replace(['?', '~', '>'], "-"));
    let secret = Canary::of(path.clone());
    let log = Log::default();
    let guard = log.listen();
    let mut scanner = Scanner::new([&secret])?;
    let target = Hook::start([Answer::Says(200, "")]).await?;
    let table = [
        (Answer::Says(404, "nobody"), "it answered 404", false),
        (Answer::Says(400, ""), "it answered 400", false),
        (Answer::Says(429, ""), "it answered 429", true),
        (Answer::Later(429, 7), "it answered 429", true),
        (Answer::Says(500, "boom"), "it answered 500", true),
        (Answer::Says(503, ""), "it answered 503", true),
        (Answer::Elsewhere(target.url("/x")), "it answered 302, and redirects are not", false),
        (Answer::Endless(404, 1 << 30), "it answered 404", false),
        (Answer::Endless(503, 1 << 30), "it answered 503", true),
        (Answer::Never, "it did not answer in time", true),
        (Answer::Breaks, "it cannot be reached", true),
    ];
    for (answer, said, may_pass) in table {
        let hook = Hook::start([answer.clone()]).await?;
        let notifier = to(kind, &hook.url(&path), &outbound)?;
        let failed = notifier.send(&channel(), &notice("why")).await;
        let failed = failed.err().with_context(|| format!("{answer:?} was success"))?;
        ensure!(failed.to_string().starts_with(said), "{kind:?}, {answer:?}: {failed}");
        ensure!(failed.may_pass() == may_pass, "{kind:?}, {answer:?}: {failed:?}");
        let port = hook.url("").rsplit_once(':').map(|(_, port)| port.to_owned());
        ensure!(!format!("{failed} {failed:?}").contains(&port.context("no port")?), "{failed:?}");
        ensure!(hook.body_bytes() < 64 << 20, "{} bytes were taken", hook.body_bytes());
        scanner.bytes("a failure", format!("{failed} {failed:?}").as_bytes());
    }
    ensure!(target.rest().await.is_empty(), "a redirect was followed");
    // An answer is not waited for longer than it has to be, whatever follows its head.
    let hook = Hook::start([Answer::Endless(200, 1 << 30)]).await?;
    to(kind, &hook.url(&path), &outbound)?.send(&channel(), &notice("why")).await?;
    ensure!(hook.body_bytes() < 64 << 20, "{} bytes were taken", hook.body_bytes());
    // Nobody is there.
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}{path}", listener.local_addr()?);
    drop(listener);
    let failed = to(kind, &url, &outbound)?.send(&channel(), &notice("why")).await.err();
    ensure!(failed == Some(Failure::Trouble(Trouble::Unreachable)), "{failed:?}");
    let hook = Hook::start([Answer::Later(429, 7)]).await?;
    let failed = to(kind, &hook.url(&path), &outbound)?.send(&channel(), &notice("why")).await;
    let asked = failed.err().and_then(|failed| failed.retry_after());
    ensure!(asked == Some(Duration::from_secs(7)), "{asked:?}");
    over_tls(kind, &path).await?;
    drop(guard);
    scanner.bytes("the log", log.text().as_bytes());
    ensure!(scanner.leaks().is_empty(), "{:?}", scanner.leaks());
    Ok(())
}

async fn over_tls(kind: ChannelKind, path: &str) -> Result<()> {
    let hook = Hook::start_tls(&["127.0.0.1"], [Answer::Says(204, "")]).await?;
    let mut roots = RootCertStore::empty();
    roots.add(hook.authority().context("no authority")?)?;
    let trusting = Outbound::believing(roots.clone(), Patience::default())?;
    to(kind, &hook.url(path), &trusting)?.send(&channel(), &notice("why")).await?;
    hook.next().await?;
    // Signed by nobody who is believed, and believed under another name.
    let other = Hook::start_tls(&["other.example"], [Answer::Says(200, "")]).await?;
    roots.add(other.authority().context("no authority")?)?;
    let trusting = Outbound::believing(roots, Patience::default())?;
    let strangers = [(outbound(Patience::default())?, hook.url(path)), (trusting, other.url(path))];
    for (outbound, url) in strangers {
        let failed = to(kind, &url, &outbound)?.send(&channel(), &notice("why")).await.err();
        let failed = failed.context("a stranger was believed")?;
        ensure!(failed == Failure::Trouble(Trouble::Untrusted), "{failed:?}");
        ensure!(!failed.may_pass());
    }
    ensure!(hook.rest().await.is_empty() && other.rest().await.is_empty(), "strangers were told");
    Ok(())
}
