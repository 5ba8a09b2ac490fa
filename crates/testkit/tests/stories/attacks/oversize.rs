//! B5: everything that has a size, a size too large.

use super::{ATTACKER, BAIT, Siege};
use crate::soak;
use anyhow::{Context, Result, ensure};
use secretref_domain::limit::{
    BINDINGS_MAX, CERTIFICATE_REQUEST_BYTES_MAX, LABELS_MAX, MANIFEST_BYTES_MAX,
    MANIFEST_DEPTH_MAX, MANIFEST_FILES_MAX, REASON_BYTES_MAX, VALUE_BYTES_MAX,
};
use secretref_identity::credentials::Credentials;
use secretref_proto::{
    PROTOCOL_VERSION,
    v1::{
        AccessSecretVersionRequest, Ack, ApplyManifestRequest, CreateJoinTokenRequest,
        GetSecretRequest, HeldSecret, Hello, JoinRequest, ListAuditEntriesRequest,
        ListSecretsRequest, ManifestFile, PutSecretRequest, RenewRequest, RevokeAgentRequest,
        SecretResult, WatchRequest, enrolment_service_client::EnrolmentServiceClient,
        watch_request, watch_service_client::WatchServiceClient,
    },
};
use secretref_testkit::{admin::Admin, peer};
use tonic::{Code, Request, Status, transport::Channel};
use uuid::Uuid;

/// One thing that is too large, and what came of it.
type Case = (&'static str, Result<(), Status>);

#[tokio::test(flavor = "multi_thread")]
async fn everything_oversize() -> Result<()> {
    let mut siege = Siege::laid().await?;
    let attacker = siege.attacker().await?;
    let before = siege.measure().await?;
    let (address, door) = (siege.address(), siege.admin_door());
    let times = soak::count(2, 200);
    let attack = async move {
        let admin = Admin::connect(&door.0, &door.1).await?;
        let mut cases = 0;
        for _ in 0..times {
            let all = [
                values_and_names(&admin).await,
                lists_and_texts(&admin).await,
                manifests(&admin).await,
                agents(&address, &attacker).await?,
            ]
            .concat();
            cases = all.len();
            all.into_iter().try_for_each(refused)?;
        }
        Ok(cases)
    };
    let (waits, cases) = siege.victim.while_attacked(attack).await?;
    let what = format!("{cases} things too large, {times} times each, all refused");
    siege.lifted("B5 everything oversize", &before, &waits, &what, 64).await
}

/// Refused, in a way that says so; never taken, and never as the broker's own fault.
fn refused((what, outcome): Case) -> Result<()> {
    let status = outcome.err().with_context(|| format!("{what}: it was taken"))?;
    // tonic's own word for a message that is too large is OUT_OF_RANGE; a header list that is too
    // large never becomes a request.
    let right = match status.code() {
        Code::InvalidArgument | Code::ResourceExhausted | Code::OutOfRange => true,
        _ => what.starts_with("headers"),
    };
    ensure!(right, "{what}: {status}");
    Ok(())
}

fn long(bytes: usize) -> String {
    "x".repeat(bytes)
}

async fn values_and_names(admin: &Admin) -> Vec<Case> {
    let put = async |request: PutSecretRequest| admin.secrets().put_secret(request).await.map(drop);
    let named = |name: String| PutSecretRequest { name, value: vec![1], ..Default::default() };
    let bait = || named(BAIT.to_owned());
    let labels = |count: usize| (0..count).map(|at| (format!("l{at}"), String::new())).collect();
    vec![
        ("value", put(PutSecretRequest { value: vec![0; VALUE_BYTES_MAX + 1], ..bait() }).await),
        ("value of 1 MiB", put(PutSecretRequest { value: vec![0; 1 << 20], ..bait() }).await),
        ("message of 3 MiB", put(PutSecretRequest { value: vec![0; 3 << 20], ..bait() }).await),
        ("name", put(named(long(129))).await),
        ("name of 1 MiB", put(named(long(1 << 20))).await),
        ("labels", put(PutSecretRequest { labels: labels(LABELS_MAX + 1), ..bait() }).await),
        ("20,000 labels", put(PutSecretRequest { labels: labels(20_000), ..bait() }).await),
        (
            "label",
            put(PutSecretRequest { labels: [(long(64), String::new())].into(), ..bait() }).await,
        ),
        ("service", put(PutSecretRequest { service: Some(long(65)), ..bait() }).await),
        ("request id", put(PutSecretRequest { request_id: long(1 << 16), ..bait() }).await),
        ("environment", put(PutSecretRequest { environment: long(1 << 16), ..bait() }).await),
    ]
}

async fn lists_and_texts(admin: &Admin) -> Vec<Case> {
    let (mut secrets, mut agents, mut audit) = (admin.secrets(), admin.agents(), admin.audit());
    let access = AccessSecretVersionRequest {
        name: BAIT.to_owned(),
        reason: long(REASON_BYTES_MAX + 1),
        ..Default::default()
    };
    let page = ListSecretsRequest { page_size: 1001, ..Default::default() };
    let token = ListSecretsRequest { page_token: long(1 << 20), ..Default::default() };
    let entries = ListAuditEntriesRequest { page_size: i32::MAX, ..Default::default() };
    let ttl = CreateJoinTokenRequest {
        agent: ATTACKER.to_owned(),
        ttl_seconds: 1 << 40,
        ..Default::default()
    };
    let revoke = RevokeAgentRequest {
        name: ATTACKER.to_owned(),
        reason: long(REASON_BYTES_MAX + 1),
        ..Default::default()
    };
    let mut header = Request::new(GetSecretRequest { name: BAIT.to_owned(), ..Default::default() });
    if let Ok(value) = long(9 << 10).parse() {
        header.metadata_mut().insert("x-large", value);
    }
    vec![
        ("reason", secrets.access_secret_version(access).await.map(drop)),
        ("page size", secrets.list_secrets(page).await.map(drop)),
        ("page token of 1 MiB", secrets.list_secrets(token).await.map(drop)),
        ("page of the trail", audit.list_audit_entries(entries).await.map(drop)),
        ("life of a token", agents.create_join_token(ttl).await.map(drop)),
        ("reason of a revocation", agents.revoke_agent(revoke).await.map(drop)),
        ("headers", secrets.get_secret(header).await.map(drop)),
    ]
}

async fn manifests(admin: &Admin) -> Vec<Case> {
    let file = |content: Vec<u8>| ManifestFile { name: "m.json".to_owned(), content };
    let apply = async |files: Vec<ManifestFile>| {
        let request = ApplyManifestRequest { files, ..ApplyManifestRequest::default() };
        admin.agents().apply_manifest(request).await.map(drop)
    };
    let deep = |levels: usize| {
        let text = format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
        vec![file(text.into_bytes())]
    };
    let secrets: Vec<String> = (0..=BINDINGS_MAX).map(|at| format!("s{at}")).collect();
    let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
    let bound = crate::scene::manifest("many", &secrets);
    vec![
        ("manifest", apply(vec![file(vec![b' '; MANIFEST_BYTES_MAX + 1])]).await),
        ("files", apply(vec![file(b"{}".to_vec()); MANIFEST_FILES_MAX + 1]).await),
        ("nesting", apply(deep(MANIFEST_DEPTH_MAX + 1)).await),
        ("nesting of 100,000", apply(deep(100_000)).await),
        ("bindings", apply(vec![file(bound.into_bytes())]).await),
    ]
}

/// What a stream that begins so ends with.
async fn watched(channel: &Channel, messages: Vec<watch_request::Message>) -> Result<(), Status> {
    let requests = messages.into_iter().map(|it| WatchRequest { message: Some(it) });
    let requests = tokio_stream::iter(requests.collect::<Vec<_>>());
    let mut client = WatchServiceClient::new(channel.clone()).max_decoding_message_size(8 << 20);
    let mut answers = client.watch(requests).await?.into_inner();
    while answers.message().await?.is_some() {}
    Ok(())
}

async fn agents(address: &str, credentials: &Credentials) -> Result<Vec<Case>> {
    let channel = peer::identified(address, credentials).await?;
    let mut enrolment = EnrolmentServiceClient::new(channel.clone());
    let renew = |bytes| RenewRequest { certificate_request_der: vec![0x30; bytes] };
    let join = JoinRequest { token: long(200 << 10), certificate_request_der: Vec::new() };
    let hello = || Hello {
        protocol_version: PROTOCOL_VERSION,
        boot_id: Uuid::new_v4().to_string(),
        stream_seq: 1,
        message_bytes_max: 1 << 20,
        ..Hello::default()
    };
    let begin = |hello| vec![watch_request::Message::Hello(hello)];
    let held = vec![HeldSecret::default(); BINDINGS_MAX + 1];
    let result = SecretResult { detail: long(300 << 10), ..SecretResult::default() };
    let ack = Ack { nonce: 1, results: vec![result] };
    let mut spoken = begin(hello());
    spoken.push(watch_request::Message::Ack(ack));
    Ok(vec![
        ("request", enrolment.renew(renew(CERTIFICATE_REQUEST_BYTES_MAX + 1)).await.map(drop)),
        ("message of 300 KiB", enrolment.renew(renew(300 << 10)).await.map(drop)),
        ("token", enrolment.join(join).await.map(drop)),
        ("held", watched(&channel, begin(Hello { have: held, ..hello() })).await),
        ("version", watched(&channel, begin(Hello { client_version: long(33), ..hello() })).await),
        ("boot", watched(&channel, begin(Hello { boot_id: long(1 << 16), ..hello() })).await),
        ("size", watched(&channel, begin(Hello { message_bytes_max: i32::MAX, ..hello() })).await),
        ("stream message", watched(&channel, spoken).await),
    ])
}
