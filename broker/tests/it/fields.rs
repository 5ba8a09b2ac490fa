//! Every field of every request that can be wrong: refused with its name, and nothing is changed.

use crate::{
    place::manifest,
    world::{World, fields, put_request, reason},
};
use anyhow::{Context, Result, ensure};
use prost_types::Timestamp;
use secretref_proto::v1::{
    AccessSecretVersionRequest, ActivateSecretVersionRequest, ApplyManifestRequest,
    CreateJoinTokenRequest, DeleteSecretRequest, DestroySecretVersionRequest, GetAgentRequest,
    GetSecretRequest, JoinRequest, ListAgentStatusesRequest, ListAgentsRequest,
    ListAuditEntriesRequest, ListSecretVersionsRequest, ListSecretsRequest, ManifestFile,
    PutSecretRequest, ReadTrailRequest, RecordArchiveRequest, RenewRequest, RevokeAgentRequest,
    UndeleteSecretRequest, enrolment_service_client::EnrolmentServiceClient,
};
use secretref_testkit::{engine::Engine, peer};
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// What is no name anywhere.
const NAMES: [&str; 9] = ["", "A", "a b", "-a", "../a", "a//b", "a/", "ä", "a\0"];
/// What is no environment; empty means the active one.
const ENVIRONMENTS: [&str; 4] = ["Prod", "a b", "../a", "ä"];
const IDS: [&str; 3] = ["1", "0192f0a0-0000-7000-8000", "zzzzzzzz-0000-7000-8000-000000000000"];
const PAGES: [i32; 3] = [-1, i32::MIN, 1001];

/// Outcomes that have to be refusals, each with the field that it has to name.
#[derive(Default)]
struct Table(Vec<(&'static str, String, Option<Status>)>);

impl Table {
    fn add<T>(
        &mut self,
        field: &'static str,
        given: impl std::fmt::Debug,
        outcome: Result<tonic::Response<T>, Status>,
    ) {
        self.0.push((field, format!("{given:?}"), outcome.err()));
    }

    fn check(self) -> Result<()> {
        for (field, given, refused) in self.0 {
            let refused = refused.with_context(|| format!("{field} of {given} was taken"))?;
            ensure!(refused.code() == Code::InvalidArgument, "{field} of {given}: {refused}");
            let named = fields(&refused);
            // A label is named with its key.
            let named: Vec<_> = named.iter().map(|it| it.split('[').next().unwrap_or(it)).collect();
            ensure!(named == [field], "{field} of {given}: {refused:?}");
            ensure!(reason(&refused) == "INVALID_FIELD", "{field} of {given}: {refused:?}");
            ensure!(refused.message().len() > field.len() + 10, "{field}: {refused}");
        }
        Ok(())
    }
}

/// A broker with one secret, one agent, and its revision.
async fn world() -> Result<(World, i64)> {
    let world = World::with_worker(Engine::Sqlite, &["a"]).await?;
    let revision = world.place.sql().await?.number("SELECT revision FROM head").await?;
    Ok((world, revision))
}

async fn unchanged(world: &World, revision: i64) -> Result<()> {
    let now = world.place.sql().await?.number("SELECT revision FROM head").await?;
    ensure!(now == revision, "what was refused changed something");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn names_environments_and_request_ids_are_checked_everywhere() -> Result<()> {
    let (world, revision) = world().await?;
    let (mut secrets, mut agents) = (world.admin.secrets(), world.admin.agents());
    let mut table = Table::default();
    let bad = NAMES.map(|name| ("name", name, "", ""));
    let bad = bad.into_iter().chain(ENVIRONMENTS.map(|it| ("environment", "a", it, "")));
    for (field, name, environment, id) in bad.chain(IDS.map(|id| ("request_id", "a", "", id))) {
        let (name, environment, request_id) =
            (name.to_owned(), environment.to_owned(), id.to_owned());
        // Asks with these three, and whatever else the request needs.
        macro_rules! refused {
            ($client:ident.$method:ident, $request:ident { $($more:ident: $value:expr),* }) => {
                let mut request = $request::default();
                (request.name, request.environment) = (name.clone(), environment.clone());
                $(request.$more = $value;)*
                let given = (stringify!($method), &name, &environment, &request_id);
                table.add(field, given, $client.$method(request).await);
            };
        }
        let id = || request_id.clone();
        let bytes = b"value".to_vec();
        refused!(secrets.put_secret, PutSecretRequest { request_id: id(), value: bytes });
        refused!(
            secrets.activate_secret_version,
            ActivateSecretVersionRequest { request_id: id(), version: 1 }
        );
        refused!(
            secrets.destroy_secret_version,
            DestroySecretVersionRequest { request_id: id(), version: 1 }
        );
        refused!(secrets.delete_secret, DeleteSecretRequest { request_id: id() });
        refused!(secrets.undelete_secret, UndeleteSecretRequest { request_id: id() });
        refused!(agents.revoke_agent, RevokeAgentRequest { request_id: id() });
        if field == "request_id" {
            continue;
        }
        let why = "a test".to_owned();
        refused!(secrets.access_secret_version, AccessSecretVersionRequest { reason: why });
        refused!(secrets.get_secret, GetSecretRequest {});
        refused!(secrets.list_secret_versions, ListSecretVersionsRequest {});
        refused!(agents.get_agent, GetAgentRequest {});
    }
    table.check()?;
    unchanged(&world, revision).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_put_says_is_checked() -> Result<()> {
    let (world, revision) = world().await?;
    let mut secrets = world.admin.secrets();
    let put = || put_request("b", b"value");
    let time = |seconds, nanos| Some(Timestamp { seconds, nanos });
    let labels = |count: usize| (0..count).map(|at| (format!("k{at}"), String::new())).collect();
    let label = |key: usize, value: usize| [("k".repeat(key), "v".repeat(value))].into();
    let mut cases = vec![
        ("value", PutSecretRequest { value: Vec::new(), ..put() }),
        ("value", PutSecretRequest { value: vec![0; 65_537], ..put() }),
        ("value", PutSecretRequest { value: vec![0; 1 << 20], ..put() }),
        ("service", PutSecretRequest { service: Some("s".repeat(65)), ..put() }),
        ("labels", PutSecretRequest { labels: labels(33), ..put() }),
        ("labels", PutSecretRequest { labels: label(0, 1), ..put() }),
        ("labels", PutSecretRequest { labels: label(64, 1), ..put() }),
        ("labels", PutSecretRequest { labels: label(1, 64), ..put() }),
        ("expire_time", PutSecretRequest { expire_time: time(1, 0), ..put() }),
        ("name", PutSecretRequest { name: "n".repeat(129), ..put() }),
    ];
    for (seconds, nanos) in [
        (-1, 0),
        (i64::MAX, 0),
        (i64::MIN, 0),
        (253_402_300_800, 0),
        (0, -1),
        (0, 1_000_000_000),
        (0, i32::MIN),
    ] {
        let at = time(seconds, nanos);
        cases.push(("expire_time", PutSecretRequest { expire_time: at, ..put() }));
        cases.push(("deprecation_time", PutSecretRequest { deprecation_time: at, ..put() }));
    }
    for expected in [-1, i64::MIN] {
        cases.push((
            "expected_version",
            PutSecretRequest { expected_version: Some(expected), ..put() },
        ));
    }
    let mut table = Table::default();
    for (field, request) in cases {
        let given = format!("{:?} {:?}", request.expire_time, request.labels);
        table.add(field, given, secrets.put_secret(request).await);
    }
    table.check()?;
    unchanged(&world, revision).await?;
    // At the limits it is taken.
    let largest = PutSecretRequest {
        name: "n".repeat(128),
        value: vec![0; 65_536],
        service: Some("s".repeat(64)),
        labels: (0..32).map(|at| (format!("{at:063}"), "v".repeat(63))).collect(),
        expire_time: time(253_402_300_799, 999_999_999),
        deprecation_time: time(0, 0),
        expected_version: Some(0),
        ..put()
    };
    secrets.put_secret(largest).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_and_reasons_are_checked() -> Result<()> {
    let (world, revision) = world().await?;
    let (mut secrets, mut agents) = (world.admin.secrets(), world.admin.agents());
    let name = || "a".to_owned();
    let mut table = Table::default();
    for version in [0, -1, i64::MIN] {
        let request = ActivateSecretVersionRequest { name: name(), version, ..Default::default() };
        table.add("version", version, secrets.activate_secret_version(request).await);
        let request = DestroySecretVersionRequest { name: name(), version, ..Default::default() };
        table.add("version", version, secrets.destroy_secret_version(request).await);
        if version != 0 {
            let request = AccessSecretVersionRequest {
                name: name(),
                version,
                reason: "why".into(),
                ..Default::default()
            };
            table.add("version", version, secrets.access_secret_version(request).await);
        }
    }
    for reason in [String::new(), " \t".to_owned(), "r".repeat(513)] {
        let request = AccessSecretVersionRequest {
            name: name(),
            reason: reason.clone(),
            ..Default::default()
        };
        table.add("reason", &reason, secrets.access_secret_version(request).await);
    }
    let request =
        RevokeAgentRequest { name: "worker".into(), reason: "r".repeat(513), ..Default::default() };
    table.add("reason", 513, agents.revoke_agent(request).await);
    table.check()?;
    unchanged(&world, revision).await
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_checked() -> Result<()> {
    let (world, revision) = world().await?;
    let (mut secrets, mut agents) = (world.admin.secrets(), world.admin.agents());
    let mut audit = world.admin.audit();
    let name = || "a".to_owned();
    let mut table = Table::default();
    for page_size in PAGES {
        let request = ListSecretsRequest { page_size, ..Default::default() };
        table.add("page_size", page_size, secrets.list_secrets(request).await);
        let request = ListSecretVersionsRequest { name: name(), page_size, ..Default::default() };
        table.add("page_size", page_size, secrets.list_secret_versions(request).await);
        let request = ListAgentsRequest { page_size, ..Default::default() };
        table.add("page_size", page_size, agents.list_agents(request).await);
        let request = ListAgentStatusesRequest { page_size, ..Default::default() };
        table.add("page_size", page_size, agents.list_agent_statuses(request).await);
        let request = ListAuditEntriesRequest { page_size, ..Default::default() };
        table.add("page_size", page_size, audit.list_audit_entries(request).await);
        let request = ReadTrailRequest { page_size, ..Default::default() };
        table.add("page_size", page_size, audit.read_trail(request).await);
    }
    for page_token in ["A", "..", "a b", "0.x.1"] {
        let page_token = page_token.to_owned();
        let request = ListSecretsRequest { page_token: page_token.clone(), ..Default::default() };
        if page_token != "0.x.1" {
            table.add("page_token", &page_token, secrets.list_secrets(request).await);
            let request =
                ListAgentsRequest { page_token: page_token.clone(), ..Default::default() };
            table.add("page_token", &page_token, agents.list_agents(request).await);
            let request =
                ListAgentStatusesRequest { page_token: page_token.clone(), ..Default::default() };
            table.add("page_token", &page_token, agents.list_agent_statuses(request).await);
        }
        let request = ListSecretVersionsRequest {
            name: name(),
            page_token: page_token.clone(),
            ..Default::default()
        };
        table.add("page_token", &page_token, secrets.list_secret_versions(request).await);
        let request =
            ListAuditEntriesRequest { page_token: page_token.clone(), ..Default::default() };
        table.add("page_token", &page_token, audit.list_audit_entries(request).await);
        let request = ReadTrailRequest { page_token: page_token.clone(), ..Default::default() };
        table.add("page_token", &page_token, audit.read_trail(request).await);
    }
    for sha256 in [vec![], vec![7; 31], vec![7; 33]] {
        let length = sha256.len();
        let request = RecordArchiveRequest { size: 1, sha256 };
        table.add("sha256", length, audit.record_archive(request).await);
    }
    let start_time = Some(Timestamp { seconds: -1, nanos: 0 });
    let request = ListAuditEntriesRequest { start_time, ..Default::default() };
    table.add("start_time", -1, audit.list_audit_entries(request).await);
    table.check()?;
    unchanged(&world, revision).await
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_are_checked() -> Result<()> {
    let (world, revision) = world().await?;
    let mut agents = world.admin.agents();
    let mut table = Table::default();
    for group in ["A", "..", "a b"] {
        let group = group.to_owned();
        let request = ListAgentsRequest { group: group.clone(), ..Default::default() };
        table.add("group", &group, agents.list_agents(request).await);
        let request = ListAgentStatusesRequest { group: group.clone(), ..Default::default() };
        table.add("group", &group, agents.list_agent_statuses(request).await);
    }
    let (agent, group) = ("worker".to_owned(), "g".to_owned());
    let request = ListAgentStatusesRequest { agent, group, ..Default::default() };
    table.add("group", "beside an agent", agents.list_agent_statuses(request).await);
    let fleet = || ListAgentStatusesRequest { all_environments: true, ..Default::default() };
    let one = || "one".to_owned();
    for request in [
        ListAgentStatusesRequest { environment: one(), ..fleet() },
        ListAgentStatusesRequest { agent: one(), ..fleet() },
        ListAgentStatusesRequest { group: one(), ..fleet() },
    ] {
        table.add("all_environments", "beside one", agents.list_agent_statuses(request).await);
    }
    for page_token in ["one", "One/two", "one/", "/two", "one/two/three"] {
        let request = ListAgentStatusesRequest { page_token: page_token.into(), ..fleet() };
        table.add("page_token", page_token, agents.list_agent_statuses(request).await);
    }
    let tools = |tool: &str, secret: &str| {
        format!(
            "    tool-bindings:\n      {tool}: {{credentials: {{k: {{secretRef: {secret}, file: \
             f}}}}}}\n"
        )
    };
    let clash = format!(
        "groups:\n  g:\n{}agents:\n  x:\n    groups: [g]\n{}",
        tools("t", "b"),
        tools("u", "c")
    );
    for text in [clash.as_str(), "agents:\n  x: {groups: [nowhere]}\n"] {
        let file = ManifestFile { name: "m.yaml".into(), content: text.as_bytes().to_vec() };
        let request = ApplyManifestRequest { files: vec![file], ..Default::default() };
        table.add("files", text, agents.apply_manifest(request).await);
    }
    table.check()?;
    unchanged(&world, revision).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_manifests_tokens_and_certificate_requests_say_is_checked() -> Result<()> {
    let (world, _) = world().await?;
    let mut agents = world.admin.agents();
    let token = world.admin.token("worker").await?;
    let revision = world.place.sql().await?.number("SELECT revision FROM head").await?;
    let mut table = Table::default();
    let apply = |files: Vec<ManifestFile>| ApplyManifestRequest { files, ..Default::default() };
    let file = |content: &[u8]| ManifestFile { name: "m.json".into(), content: content.to_vec() };
    let good = manifest("worker", &["a"]);
    let bad = [
        vec![],
        vec![file(b"")],
        vec![file(b"{")],
        vec![file(b"\xff\xfe")],
        vec![file(br#"{"agnets": {}}"#)],
        vec![file(good.replace("secretRef", "secretref").as_bytes())],
        vec![file(&[b' '; (1 << 20) + 1])],
        vec![file(good.as_bytes()); 65],
        vec![file("[".repeat(10_000).as_bytes())],
    ];
    for files in bad {
        let given = files.first().map(|it| it.content.len());
        table.add("files", given, agents.apply_manifest(apply(files)).await);
    }
    for agent in NAMES {
        let request = CreateJoinTokenRequest { agent: agent.into(), ..Default::default() };
        table.add("agent", agent, agents.create_join_token(request).await);
        if !agent.is_empty() {
            let request = ListAgentStatusesRequest { agent: agent.into(), ..Default::default() };
            table.add("agent", agent, agents.list_agent_statuses(request).await);
        }
    }
    for ttl_seconds in [-1, 86_401, i64::MAX, i64::MIN] {
        let request =
            CreateJoinTokenRequest { agent: "worker".into(), ttl_seconds, ..Default::default() };
        table.add("ttl_seconds", ttl_seconds, agents.create_join_token(request).await);
    }
    let stranger = peer::anonymous(&world.agents.to_string(), &token).await?;
    let mut enrolment = EnrolmentServiceClient::new(stranger);
    for bad in ["", "srj_", "srj_abc", &token[1..], &token.to_uppercase(), &format!("{token}a")] {
        let request = JoinRequest { token: bad.into(), certificate_request_der: vec![0; 8] };
        table.add("token", bad.len(), enrolment.join(request).await);
    }
    let worker = world.agent_channel(&world.enrolled("worker").await?).await?;
    let mut renewing = EnrolmentServiceClient::new(worker);
    let der = secretref_identity::request::CertificateRequest::generate()?.der;
    let mut forged = der.clone();
    *forged.last_mut().context("an empty request")? ^= 1;
    for certificate_request_der in [vec![], vec![0; 8], vec![0; 4097], forged, der[1..].to_vec()] {
        let request = JoinRequest {
            token: token.clone(),
            certificate_request_der: certificate_request_der.clone(),
        };
        table.add("certificate_request_der", "join", enrolment.join(request).await);
        let request = RenewRequest { certificate_request_der };
        table.add("certificate_request_der", "renew", renewing.renew(request).await);
    }
    table.check()?;
    // Two revisions: the token and the instance that renews.
    unchanged(&world, revision + 2).await?;
    peer::enrolled(&world.agents.to_string(), &token).await?;
    Ok(())
}

/// A refusal that is not for a field: its code, its reason, and the command that helps.
fn helps(refused: Option<Status>, code: Code, reason_: &str, fix: &str) -> Result<Status> {
    let refused = refused.with_context(|| format!("{reason_}: it was done"))?;
    let info = refused.get_details_error_info().context("no ErrorInfo")?;
    ensure!(refused.code() == code && info.reason == reason_, "{refused:?}");
    ensure!(info.domain == "secretref", "{refused:?}");
    let found = info.metadata.get("fix").map(String::as_str).unwrap_or_default();
    ensure!(found.starts_with(fix), "{reason_}: the fix is {found:?}");
    Ok(refused)
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_say_why_and_how_to_fix_it() -> Result<()> {
    let (world, _) = world().await?;
    let mut secrets = world.admin.secrets();
    let mut agents = world.admin.agents();
    let missing = GetSecretRequest { name: "nope".into(), ..Default::default() };
    let refused = secrets.get_secret(missing).await.err();
    helps(refused, Code::NotFound, "NOT_FOUND", "secretref list")?;
    let missing = GetAgentRequest { name: "nope".into(), ..Default::default() };
    let refused = agents.get_agent(missing).await.err();
    helps(refused, Code::NotFound, "NOT_FOUND", "secretref agent list")?;
    let again = PutSecretRequest { create_only: true, ..put_request("a", b"two") };
    let refused = secrets.put_secret(again).await.err();
    helps(refused, Code::AlreadyExists, "ALREADY_EXISTS", "")?;
    let other = PutSecretRequest { expected_version: Some(7), ..put_request("a", b"two") };
    let refused = secrets.put_secret(other).await.err();
    let refused = helps(refused, Code::Aborted, "EXPECTED_VERSION_MISMATCH", "secretref show a")?;
    let info = refused.get_details_error_info().context("no ErrorInfo")?;
    ensure!(info.metadata["expected"] == "7" && info.metadata["actual"] == "1", "{info:?}");
    let version =
        |version| DestroySecretVersionRequest { name: "a".into(), version, ..Default::default() };
    let refused = secrets.destroy_secret_version(version(1)).await.err();
    helps(refused, Code::FailedPrecondition, "VERSION_CURRENT", "secretref put a")?;
    let refused = secrets.destroy_secret_version(version(9)).await.err();
    helps(refused, Code::NotFound, "NOT_FOUND", "secretref versions a")?;
    secrets.put_secret(put_request("a", b"two")).await?;
    secrets.destroy_secret_version(version(1)).await?;
    let read = AccessSecretVersionRequest {
        name: "a".into(),
        version: 1,
        reason: "why".into(),
        ..Default::default()
    };
    let refused = secrets.access_secret_version(read.clone()).await.err();
    helps(refused, Code::FailedPrecondition, "VERSION_DESTROYED", "secretref versions a")?;
    let delete = DeleteSecretRequest { name: "a".into(), ..Default::default() };
    secrets.delete_secret(delete).await?;
    let refused = secrets
        .access_secret_version(AccessSecretVersionRequest { version: 2, ..read })
        .await
        .err();
    helps(refused, Code::FailedPrecondition, "SECRET_DELETED", "secretref undelete a")?;
    let strict = ApplyManifestRequest {
        files: vec![ManifestFile {
            name: "m.json".into(),
            content: manifest("worker", &["b"]).into(),
        }],
        strict: true,
        ..Default::default()
    };
    let refused = agents.apply_manifest(strict).await.err();
    helps(refused, Code::FailedPrecondition, "UNRESOLVED_REFS", "secretref put b")?;
    let id = uuid::Uuid::new_v4().to_string();
    // Labels have no order on the wire: a retry may send them in another.
    let first = PutSecretRequest {
        request_id: id.clone(),
        labels: (0..16).map(|at| (format!("k{at}"), "v".to_owned())).collect(),
        ..put_request("b", b"one")
    };
    let done = secrets.put_secret(first.clone()).await?.into_inner();
    ensure!(secrets.put_secret(first).await?.into_inner() == done, "a retry is answered otherwise");
    let other = PutSecretRequest { request_id: id, ..put_request("b", b"two") };
    let refused = secrets.put_secret(other).await.err();
    helps(refused, Code::AlreadyExists, "REQUEST_ID_REUSED", "")?;
    Ok(())
}
