//! What the broker measures: each metric is there, moves with what it is of, names nobody, and is
//! what the dashboard and the alert rules ask for.

use crate::scene::{AGENT, SLACK, STRIPE, STRIPE_FILE, Scene};
use anyhow::{Context, Result, ensure};
use secretref_testkit::{
    broker::Broker,
    collector::Collector,
    engine::Engine,
    on_both_engines,
    wait::{DEADLINE, eventually},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
};

on_both_engines!(what_happens_is_measured_and_names_nobody);

/// What a scrape gives: each series with its labels, and its value.
fn scraped(broker: &Broker) -> Result<(String, BTreeMap<String, f64>)> {
    let mut stream = TcpStream::connect(broker.listening().metrics)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    write!(stream, "GET /metrics HTTP/1.0\r\nHost: metrics\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, text) = answer.split_once("\r\n\r\n").context("no answer")?;
    ensure!(head.contains(" 200 ") && head.contains("text/plain"), "{head}");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let series = lines.map(|line| {
        let (series, value) = line.rsplit_once(' ').context("no value")?;
        Ok((series.to_owned(), value.parse()?))
    });
    Ok((text.to_owned(), series.collect::<Result<_>>()?))
}

/// The sum of all series of a name whose labels hold this.
fn sum(series: &BTreeMap<String, f64>, name: &str, label: &str) -> f64 {
    let of = |key: &&String| key.split('{').next() == Some(name) && key.contains(label);
    series.keys().filter(of).map(|key| series[key]).sum()
}

async fn what_happens_is_measured_and_names_nobody(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let agent = scene.agent().await?;
    scene.admin.put(STRIPE, b"stripe-2").await?;
    agent.file_becomes(STRIPE_FILE, b"stripe-2").await?;
    scene.applied(STRIPE, 2).await?;
    // Somebody asks for what is not there, and an agent is left without a value.
    ensure!(scene.admin.status("nobody").await.is_err(), "there is an agent of this name");
    let wanted = [
        ("secretref_streams", "", 1.0),
        ("secretref_agents", "active", 1.0),
        ("secretref_agents", "revoked", 0.0),
        ("secretref_secrets", "", 2.0),
        ("secretref_fresh", "", 1.0),
        ("secretref_push_duration_seconds_count", "", 1.0),
        ("secretref_apply_duration_seconds_count", "", 1.0),
        ("secretref_rotations", "pushing", 0.0),
        ("secretref_conditions", "trail-alarm", 0.0),
    ];
    let (text, series) = eventually("the metrics say it", async || {
        let (text, series) = scraped(&scene.broker)?;
        let there = wanted.iter().all(|(name, label, value)| {
            let known = series.keys().any(|key| key.starts_with(name) && key.contains(label));
            known && (sum(&series, name, label) - value).abs() < 0.5
        });
        Ok(there.then_some((text, series)))
    })
    .await?;
    let at_least = |name: &str, label: &str, least: f64| {
        let found = sum(&series, name, label);
        ensure!(found >= least, "{name} {label} is {found}, below {least}: {text}");
        Ok(())
    };
    at_least("secretref_commit_duration_seconds_count", "written", 3.0)?;
    at_least("secretref_audit_entries_total", "", 5.0)?;
    at_least("secretref_results_total", "APPLIED", 3.0)?;
    at_least("secretref_revision", "", 3.0)?;
    at_least("process_memory_usage_bytes", "", 1e6)?;
    at_least("process_cpu_time_seconds_total", "user", 0.0)?;
    let put = r#"rpc_method="secretref.v1.SecretsService/PutSecret""#;
    at_least("rpc_server_call_duration_seconds_count", put, 3.0)?;
    at_least("rpc_server_call_duration_seconds_count", "NOT_FOUND", 1.0)?;
    for name in [AGENT, STRIPE, SLACK, "default", "stripe-2"] {
        ensure!(!text.contains(name), "{name} is in the metrics: {text}");
    }
    documented(&series)?;
    scene.admin.revoke(AGENT).await?;
    eventually("the metrics say that it is revoked", async || {
        let (_, series) = scraped(&scene.broker)?;
        let gone = sum(&series, "secretref_streams", "") < 0.5;
        Ok((gone && sum(&series, "secretref_agents", "revoked") > 0.5).then_some(()))
    })
    .await
}

/// Names of metrics in a text.
fn named(text: &str) -> BTreeSet<String> {
    let is_name = |it: char| it.is_ascii_alphanumeric() || it == '_';
    let words = text.split(|it| !is_name(it));
    let ours = |word: &&str| {
        ["secretref_", "process_", "rpc_server_"].iter().any(|prefix| word.starts_with(prefix))
    };
    words.filter(ours).map(str::to_owned).collect()
}

/// What is measured is in the docs, and what the dashboard and the rules ask for is measured.
fn documented(series: &BTreeMap<String, f64>) -> Result<()> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let read = |name: &str| fs::read_to_string(docs.join(name)).with_context(|| name.to_owned());
    let measured: BTreeSet<String> =
        series.keys().filter_map(|key| Some(key.split('{').next()?.to_owned())).collect();
    let telemetry = named(&read("telemetry.md")?);
    for name in measured.iter().filter(|name| *name != "target_info") {
        let ends = ["_bucket", "_sum", "_count"];
        let base = ends.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        ensure!(telemetry.contains(base), "{base} is not in docs/telemetry.md");
    }
    for file in ["prometheus/alerts.yml", "grafana/secretref.json"] {
        let asked = named(&read(file)?);
        ensure!(asked.len() > 5, "{file} asks for {asked:?}");
        // Something has to be refused before it is counted.
        let known = |name: &String| measured.contains(name) || name == "secretref_refusals_total";
        let unknown: Vec<_> = asked.iter().filter(|name| !known(name)).collect();
        let labels = ["secretref_state", "secretref_kind", "secretref_phase", "secretref_outcome"];
        let unknown: Vec<_> = unknown
            .into_iter()
            .filter(|name| !labels.contains(&name.as_str()) && *name != "secretref_limit")
            .collect();
        ensure!(unknown.is_empty(), "{file} asks for what is not measured: {unknown:?}");
    }
    Ok(())
}

/// The same, sent to a real receiver over OTLP.
#[tokio::test(flavor = "multi_thread")]
async fn a_collector_is_told_of_metrics_over_otlp() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let collector = Collector::start(folder.path()).await?;
    let variables = collector.variables();
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let broker = Broker::start_configured(Engine::Sqlite, &variables, |_| {}).await?;
    let scene = Scene::set_on(broker).await?;
    scene.agent().await?;
    let wanted = ["secretref.commit.duration", "secretref.streams", "rpc.server.call.duration"];
    eventually("the collector has them", async || {
        let names = collector.metrics();
        Ok(wanted.iter().all(|name| names.contains(*name)).then_some(()))
    })
    .await
}
