//! Doors and verbs: what each port believes and serves, and whom custody's verbs refuse, whatever
//! the doors let in. Every method by everybody is in `matrix`.

use crate::{
    matrix::call,
    place::{Place, ada, admin, agent_name, apply, join, manifest, name, nobody, put, to_apply},
    world::World,
};
use anyhow::{Context, Result, ensure};
use secretref_broker::custody::{AuditFilter, Custody, CustodyError, Switch};
use secretref_domain::{
    alert::ChannelName, audit::Decision, caller::Caller, clock::Timestamp, id::RotationId,
    version::Version,
};
use secretref_proto::v1::{JoinRequest, enrolment_service_client::EnrolmentServiceClient};
use secretref_testkit::{admin::Admin, engine::Engine, on_both_engines, peer};
use tonic::Code;
use uuid::Uuid;

#[tokio::test(flavor = "multi_thread")]
async fn each_port_believes_one_kind_of_certificate() -> Result<()> {
    let world = World::with_worker(Engine::Sqlite, &["a"]).await?;
    let worker = world.enrolled("worker").await?;
    let token = world.admin.token("worker").await?;
    let (agents, admins) = (world.agents.to_string(), world.admins.to_string());
    ensure!(Admin::connect_as(&admins, &worker).await.is_err(), "an agent on the admins' port");
    ensure!(peer::anonymous(&admins, &token).await.is_err(), "a stranger on the admins' port");
    ensure!(
        peer::identified(&agents, &world.credentials).await.is_err(),
        "an administrator on the agents' port"
    );
    // Another broker's certificates are nobody's here.
    let other = World::with_worker(Engine::Sqlite, &["a"]).await?;
    let namesake = other.enrolled("worker").await?;
    ensure!(peer::identified(&agents, &namesake).await.is_err(), "another broker's agent");
    ensure!(Admin::connect_as(&admins, &other.credentials).await.is_err(), "another's admin");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_somebody_does_not_join() -> Result<()> {
    let world = World::with_worker(Engine::Sqlite, &["a"]).await?;
    let channel = world.agent_channel(&world.enrolled("worker").await?).await?;
    let token = world.admin.token("worker").await?;
    let request = secretref_identity::request::CertificateRequest::generate()?;
    let join = JoinRequest { token: token.clone(), certificate_request_der: request.der.clone() };
    let refused = EnrolmentServiceClient::new(channel).join(join).await.err();
    let refused = refused.context("an agent joined again")?;
    ensure!(refused.code() == Code::PermissionDenied, "{refused}");
    ensure!(crate::world::reason(&refused) == "ROLE_MISSING", "{refused:?}");
    // The token is as good as before.
    peer::enrolled(&world.agents.to_string(), &token).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_reflection_are_for_administrators() -> Result<()> {
    let world = World::with_worker(Engine::Sqlite, &["a"]).await?;
    let token = world.admin.token("worker").await?;
    let stranger = peer::anonymous(&world.agents.to_string(), &token).await?;
    let agent = world.agent_channel(&world.enrolled("worker").await?).await?;
    let methods = [
        "grpc.health.v1.Health/Check",
        "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        "secretref.v1.SecretsService/Unknown",
    ];
    for method in methods {
        for channel in [&agent, &stranger] {
            let refused =
                call(channel, format!("/{method}").parse()?, Vec::new()).await?.map(|it| it.code());
            ensure!(refused == Some(Code::Unimplemented), "{method}: {refused:?}");
        }
        let answered = call(&world.admin.channel(), format!("/{method}").parse()?, Vec::new())
            .await?
            .map(|it| it.code());
        let there = answered != Some(Code::Unimplemented);
        ensure!(there != method.contains("Unknown"), "{method}: {answered:?}");
    }
    Ok(())
}

on_both_engines!(no_verb_of_custody_is_for_agents_or_strangers);

/// Whatever the doors let in: each verb asks who it is for, and writes down whom it refused.
async fn no_verb_of_custody_is_for_agents_or_strangers(engine: Engine) -> Result<()> {
    let place = Place::found(engine).await?;
    let custody = place.open().await?;
    custody.put(&ada(), put("a", b"one"), None).await?;
    apply(&custody, &manifest("worker", &["a"])).await?;
    let worker = join(&custody, "worker").await?.caller;
    let admission_of = custody.show_agent(&ada(), None, &agent_name("worker")).await?.0.id;
    let revision = custody.feed().revision();
    let before = place.trail().await?.len();
    let channel = ChannelName::parse("#x")?;
    let (a, agent) = (|| name("a"), || agent_name("worker"));
    let wanted = || to_apply(&manifest("x", &["a"]));
    for who in [&worker, &nobody(), &Caller::Broker { id: custody.broker() }, &admin(&[])] {
        let outcomes = [
            ("put", custody.put(who, put("a", b"two"), None).await.err()),
            ("show", custody.show_secret(who, None, &a()).await.err()),
            ("list", custody.list_secrets(who, None, None, 10, true).await.err()),
            ("versions", custody.list_versions(who, None, &a()).await.err()),
            ("access", custody.access(who, None, &a(), None, "why").await.err()),
            ("activate", custody.activate(who, None, a(), Version::FIRST, None, None).await.err()),
            ("destroy", custody.destroy(who, None, a(), Version::FIRST, None).await.err()),
            ("delete", custody.set_deleted(who, None, a(), true, None, None).await.err()),
            ("undelete", custody.set_deleted(who, None, a(), false, None, None).await.err()),
            ("apply", custody.apply(who, wanted(), Vec::new(), None).await.err()),
            ("show agent", custody.show_agent(who, None, &agent()).await.err()),
            ("list agents", custody.list_agents(who, None, None, None, 10).await.err()),
            ("list fleet", custody.list_fleet(who, None, 10).await.err()),
            ("token", custody.mint_token(who, None, agent(), 60, true).await.err()),
            ("revoke", custody.revoke_agent(who, None, agent(), String::new(), None).await.err()),
            ("quarantine", custody.quarantine_agent(who, None, agent(), why(), None).await.err()),
            ("release", custody.release_agent(who, None, agent(), why(), None).await.err()),
            ("reports", custody.agent_reports(who, admission_of).await.err()),
            ("schedules", custody.agent_schedules(who, admission_of).await.err()),
            ("held", custody.held(who, admission_of).await.err()),
            ("channels", custody.list_channels(who, None).await.err()),
            ("try channel", custody.try_channel(who, None, &channel).await.err()),
            ("conditions", custody.may_see_conditions(who, None, true).await.err()),
            ("tell", custody.may_tell_conditions(who, None, &channel).await.err()),
            ("refs", custody.list_references(who, None, None, None, 10).await.err()),
            ("diagnose", custody.diagnose(who, None).await.err()),
            ("providers", custody.list_providers(who, None).await.err()),
            ("check", custody.provider_to_check(who, None, &"vault".parse()?).await.err()),
            ("environments", custody.list_environments(who).await.err()),
            ("look ahead", custody.itinerary_of_switch(who, &switch()).await.err()),
            ("switch", custody.switch(who, switch(), Vec::new(), None).await.err()),
            ("plan", custody.plan_rotation(who, None, &a()).await.err()),
            ("of a service", custody.rotatable_refs(who, None, None, "s", 0).await.err()),
            ("receipt", custody.receipt(who, RotationId(Uuid::nil())).await.err()),
            ("rotations", custody.rotations(who).await.err()),
            ("trace secret", custody.trace_secret(who, None, &a(), ever()).await.err()),
            ("trace agent", custody.trace_agent(who, None, agent(), ever()).await.err()),
            ("follow", custody.follow_trail(who, filter(&custody), None).await.err()),
            ("trail", custody.trail(who, filter(&custody)).await.err()),
        ];
        for (verb, refused) in outcomes {
            ensure!(
                matches!(refused, Some(CustodyError::Denied(_))),
                "{verb} by {who}: {refused:?}"
            );
        }
    }
    ensure!(custody.feed().revision() == revision, "something was done");
    let denials = place.trail().await?.split_off(before);
    ensure!(denials.len() == 4 * 39, "{} of 156 denials are on record", denials.len());
    ensure!(denials.iter().all(|it| it.decision == Decision::Denied), "{denials:?}");
    Ok(())
}

fn why() -> String {
    "why".to_owned()
}

fn ever() -> Timestamp {
    Timestamp::from_micros(0)
}

fn filter(custody: &Custody) -> AuditFilter {
    AuditFilter {
        after: None,
        since: custody.now(),
        agent: None,
        secret: None,
        environment: None,
        action: None,
        decision: None,
        until: None,
        limit: 10,
    }
}

fn switch() -> Switch {
    let environment = "default".parse().expect("a name");
    Switch { environment, agents: Vec::new(), all_agents: true, validate_only: false }
}
