//! Lists: page after page, each thing once, in order.

use crate::{
    place::{ada, put},
    world::World,
};
use anyhow::{Context, Result, ensure};
use secretref_proto::v1::{
    ApplyManifestRequest, DeleteSecretRequest, ListAgentStatusesRequest, ListAgentsRequest,
    ListAuditEntriesRequest, ListSecretVersionsRequest, ListSecretsRequest, ManifestFile,
};
use secretref_testkit::{engine::Engine, on_both_engines};
use std::collections::BTreeSet;

on_both_engines!(secrets_come_in_pages, versions_agents_and_entries_come_in_pages);

async fn secrets(world: &World, show_deleted: bool, page_size: i32) -> Result<Vec<Vec<String>>> {
    let (mut pages, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListSecretsRequest {
            page_size,
            page_token,
            show_deleted,
            ..ListSecretsRequest::default()
        };
        let page = world.admin.secrets().list_secrets(request).await?.into_inner();
        pages.push(page.secrets.into_iter().map(|it| it.name).collect());
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(pages);
        }
    }
}

async fn secrets_come_in_pages(engine: Engine) -> Result<()> {
    let world = World::serving(engine).await?;
    let custody = world.place.open_as(secretref_domain::id::BrokerId(uuid::Uuid::now_v7())).await?;
    let names: Vec<String> = (0..250).map(|at| format!("s{at:03}")).collect();
    let puts = names.iter().map(|name| custody.put(&ADA, put(name, b"value"), None));
    futures_util::future::try_join_all(puts).await?;
    // The broker that serves learns of them with its next write.
    world.admin.put("s000", b"value").await?;
    let pages = secrets(&world, false, 100).await?;
    let sizes: Vec<_> = pages.iter().map(Vec::len).collect();
    ensure!(sizes == [100, 100, 50], "{sizes:?}");
    ensure!(pages.concat() == names, "not each once, in order");
    let sizes: Vec<_> = secrets(&world, false, 125).await?.iter().map(Vec::len).collect();
    ensure!(sizes == [125, 125], "a full last page is the last: {sizes:?}");
    ensure!(secrets(&world, false, 0).await?[0].len() == 100, "the default is 100");
    ensure!(secrets(&world, false, 1000).await?.len() == 1, "250 fit into one page");

    for name in ["s000", "s099", "s100", "s249"] {
        let request = DeleteSecretRequest { name: name.into(), ..DeleteSecretRequest::default() };
        world.admin.secrets().delete_secret(request).await?;
    }
    let shown = secrets(&world, false, 100).await?.concat();
    ensure!(shown.len() == 246 && !shown.contains(&"s100".to_owned()), "deleted ones are shown");
    ensure!(secrets(&world, true, 100).await?.concat() == names, "deleted ones are not shown");
    let gone =
        ListSecretsRequest { page_token: "s250-not-there".into(), ..ListSecretsRequest::default() };
    let page = world.admin.secrets().list_secrets(gone).await?.into_inner();
    ensure!(page.secrets.is_empty() && page.next_page_token.is_empty(), "{page:?}");
    Ok(())
}

static ADA: std::sync::LazyLock<secretref_domain::caller::Caller> = std::sync::LazyLock::new(ada);

async fn versions_agents_and_entries_come_in_pages(engine: Engine) -> Result<()> {
    let world = World::serving(engine).await?;
    for number in 1..=5 {
        world.admin.put("a", format!("a-{number}").as_bytes()).await?;
    }
    let (mut found, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListSecretVersionsRequest {
            name: "a".into(),
            page_size: 2,
            page_token,
            ..ListSecretVersionsRequest::default()
        };
        let page = world.admin.secrets().list_secret_versions(request).await?.into_inner();
        ensure!(page.versions.len() <= 2, "{page:?}");
        found.extend(page.versions.into_iter().map(|it| it.version));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    ensure!(found == [5, 4, 3, 2, 1], "{found:?}");

    for agent in ["one", "two", "three"] {
        world.admin.apply(&crate::place::manifest(agent, &["a"])).await?;
    }
    let request = ListAgentsRequest { page_size: 2, ..ListAgentsRequest::default() };
    let first = world.admin.agents().list_agents(request.clone()).await?.into_inner();
    let names: Vec<_> = first.agents.iter().map(|it| it.name.as_str()).collect();
    ensure!(names == ["one", "three"] && first.next_page_token == "three", "{first:?}");
    let request = ListAgentsRequest { page_token: first.next_page_token, ..request };
    let second = world.admin.agents().list_agents(request).await?.into_inner();
    ensure!(second.agents.len() == 1 && second.next_page_token.is_empty(), "{second:?}");
    let request = ListAgentStatusesRequest { page_size: 2, ..ListAgentStatusesRequest::default() };
    let statuses = world.admin.agents().list_agent_statuses(request).await?.into_inner();
    ensure!(statuses.statuses.len() == 2 && statuses.next_page_token == "three", "{statuses:?}");
    fleet(&world).await?;
    entries(&world).await
}

/// The agents of every environment, in pages of 2.
async fn fleet(world: &World) -> Result<()> {
    let file = ManifestFile {
        name: "m.json".to_owned(),
        content: crate::place::manifest("one", &["a"]).into_bytes(),
    };
    let request = ApplyManifestRequest {
        files: vec![file],
        environment: "another".to_owned(),
        ..ApplyManifestRequest::default()
    };
    world.admin.agents().apply_manifest(request).await?;
    let (mut found, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListAgentStatusesRequest {
            page_size: 2,
            page_token,
            all_environments: true,
            ..ListAgentStatusesRequest::default()
        };
        let page = world.admin.agents().list_agent_statuses(request).await?.into_inner();
        ensure!(page.statuses.len() == 2, "{page:?}");
        found
            .extend(page.statuses.into_iter().map(|it| format!("{}/{}", it.environment, it.agent)));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let all = ["another/one", "default/one", "default/three", "default/two"];
    ensure!(found == all, "{found:?}");
    Ok(())
}

/// Every entry once, in the order of the lane, in pages of 3; and of one secret or agent alone.
async fn entries(world: &World) -> Result<()> {
    let (mut seen, mut page_token, mut last) = (BTreeSet::new(), String::new(), 0);
    loop {
        let request = ListAuditEntriesRequest {
            page_size: 3,
            page_token,
            ..ListAuditEntriesRequest::default()
        };
        let page = world.admin.audit().list_audit_entries(request).await?.into_inner();
        ensure!(page.entries.len() <= 3, "{}", page.entries.len());
        for entry in page.entries {
            ensure!(entry.seq == last + 1, "{} after {last}", entry.seq);
            last = entry.seq;
            seen.insert((entry.lane, entry.seq));
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let all = world.admin.audit_trail().await?;
    ensure!(seen.len() == all.len(), "{} of {}", seen.len(), all.len());
    let of = |agent: &str, secret: &str| ListAuditEntriesRequest {
        agent: agent.into(),
        secret: secret.into(),
        ..ListAuditEntriesRequest::default()
    };
    let found = world.admin.audit().list_audit_entries(of("", "a")).await?.into_inner().entries;
    // Its versions, and the applies of the ref of the same name.
    let of_kind = |kind: &str| found.iter().filter(|it| it.object_kind == kind).count();
    ensure!((of_kind("secret"), of_kind("ref"), found.len()) == (5, 2, 7), "{found:?}");
    ensure!(found.iter().all(|it| it.object == "a"), "{found:?}");
    let found = world.admin.audit().list_audit_entries(of("two", "")).await?.into_inner().entries;
    ensure!(found.len() == 1, "{found:?}");
    let latest = all.last().and_then(|it| it.time).context("an empty trail")?;
    let later = prost_types::Timestamp { seconds: latest.seconds + 1, nanos: 0 };
    let request =
        ListAuditEntriesRequest { start_time: Some(later), ..ListAuditEntriesRequest::default() };
    let found = world.admin.audit().list_audit_entries(request).await?.into_inner().entries;
    ensure!(found.is_empty(), "{found:?}");
    Ok(())
}
