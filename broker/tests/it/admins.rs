//! Administrators: made, renewed, revoked; whose certificate counts, and until when.

use crate::world::{World, fields, reason};
use anyhow::{Context, Result, ensure};
use secretref_identity::{
    client::{ClientConfig, dial},
    clock::Clock,
    credentials::Credentials,
    request::CertificateRequest,
};
use secretref_proto::v1::{
    AdminRole, AuditEntry, CreateAdminRequest, GetAdminRequest, GetBrokerRequest,
    ListAdminsRequest, RenewAdminRequest, RevokeAdminRequest,
};
use secretref_testkit::{
    admin::{Admin, credentials},
    engine::Engine,
    on_both_engines,
    wait::DEADLINE,
};
use tokio::{io::AsyncReadExt, time::timeout};
use tonic::{Code, Status};

on_both_engines!(
    an_administrator_is_made_with_his_roles_and_on_record,
    a_renewal_supersedes_at_once_and_a_lost_answer_costs_nothing,
    a_revoked_administrator_is_cut_and_the_last_operator_stays,
);

impl World {
    async fn as_admin(&self, credentials: &Credentials) -> Result<Admin> {
        Admin::connect_as(&self.admins.to_string(), credentials).await
    }

    async fn records(&self, action: &str) -> Result<Vec<AuditEntry>> {
        let mut trail = self.admin.audit_trail().await?;
        trail.retain(|entry| entry.action == action);
        Ok(trail)
    }
}

fn create(name: &str, roles: &[AdminRole]) -> Result<CreateAdminRequest> {
    Ok(CreateAdminRequest {
        name: name.to_owned(),
        roles: roles.iter().map(|role| i32::from(*role)).collect(),
        certificate_request_der: CertificateRequest::generate()?.der,
        ..CreateAdminRequest::default()
    })
}

fn renew(name: &str, key: &CertificateRequest) -> RenewAdminRequest {
    RenewAdminRequest {
        name: name.to_owned(),
        certificate_request_der: key.der.clone(),
        ..RenewAdminRequest::default()
    }
}

fn revoke(name: &str) -> RevokeAdminRequest {
    RevokeAdminRequest {
        name: name.to_owned(),
        reason: "a test".to_owned(),
        ..RevokeAdminRequest::default()
    }
}

/// Until the other side closes.
async fn closed(credentials: &Credentials, world: &World) -> Result<impl Future<Output = bool>> {
    let config = ClientConfig::identified(credentials, Clock::system())?;
    let mut tls = dial(&world.admins.to_string(), &config, DEADLINE).await?;
    tokio::io::AsyncWriteExt::write_all(
        &mut tls,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
    )
    .await?;
    Ok(async move {
        let mut buffer = [0; 1024];
        let gone = async { while let Ok(1..) = tls.read(&mut buffer).await {} };
        timeout(DEADLINE, gone).await.is_ok()
    })
}

async fn an_administrator_is_made_with_his_roles_and_on_record(engine: Engine) -> Result<()> {
    let world = World::serving(engine).await?;
    let made = world.admin.create_admin("wendy", &[AdminRole::Writer], 0).await?;
    let wendy = world.as_admin(&made).await?;
    wendy.put("a", b"one").await?;
    let refused = wendy.audit_trail().await.err().context("a writer reads the trail")?;
    ensure!(refused.to_string().contains("auditor"), "{refused}");
    let own = wendy.admins().get_broker(GetBrokerRequest {}).await?.into_inner();
    let caller = own.caller.clone().context("nobody")?;
    ensure!(caller.name == "wendy" && caller.roles == [1], "{caller:?}");
    ensure!(caller.certificate_serial == made.serial().to_string(), "{caller:?}");
    ensure!(own.version == env!("CARGO_PKG_VERSION") && !own.stale, "{own:?}");
    let get = GetAdminRequest { name: "wendy".to_owned() };
    let shown = world.admin.admins().get_admin(get).await?.into_inner().admin;
    ensure!(shown == Some(caller), "{shown:?}");

    let mut names = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListAdminsRequest { page_size: 1, page_token };
        let page = world.admin.admins().list_admins(request).await?.into_inner();
        names.extend(page.admins.into_iter().map(|admin| admin.name));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    ensure!(names == ["ada", "wendy"], "{names:?}");
    let [record] = &world.records("admin.create").await?[1..] else {
        anyhow::bail!("not one record")
    };
    ensure!(record.actor == "admin:ada" && record.object == "wendy", "{record:?}");
    ensure!(record.reason == "roles writer", "{record:?}");

    // A retry is the same administrator; another with his name is refused.
    let request_id = uuid::Uuid::new_v4().to_string();
    let request = CreateAdminRequest { request_id, ..create("rita", &[AdminRole::Reader])? };
    let first = world.admin.admins().create_admin(request.clone()).await?.into_inner();
    let again = world.admin.admins().create_admin(request).await?.into_inner();
    ensure!(first == again, "a retry made another");
    let refused = world.admin.admins().create_admin(create("rita", &[AdminRole::Reader])?).await;
    ensure!(refused.is_err_and(|it| it.code() == Code::AlreadyExists), "a second rita");
    Ok(())
}

async fn a_renewal_supersedes_at_once_and_a_lost_answer_costs_nothing(
    engine: Engine,
) -> Result<()> {
    let world = World::serving(engine).await?;
    let old = world.admin.create_admin("otto", &[AdminRole::Auditor], 0).await?;
    let otto = world.as_admin(&old).await?;
    let cut = closed(&old, &world).await?;
    let key = CertificateRequest::generate()?;
    // This answer is taken for lost.
    otto.admins().renew_admin(renew("", &key)).await?;
    let refused = otto.admins().get_broker(GetBrokerRequest {}).await.err();
    let refused = refused.context("a superseded certificate is good")?;
    ensure!(reason(&refused) == "CERTIFICATE_UNKNOWN", "{refused}");
    ensure!(cut.await, "the old connection is open");
    // The old certificate is good for one thing: the same again, with the same key.
    let otto = world.as_admin(&old).await?;
    let other = CertificateRequest::generate()?;
    let refused = otto.admins().renew_admin(renew("", &other)).await.err();
    let refused = refused.context("a superseded certificate was renewed with another key")?;
    ensure!(refused.code() == Code::PermissionDenied, "{refused}");
    let alarms = world.records("admin.renew").await?;
    ensure!(alarms.iter().any(|it| it.reason.starts_with("ALARM")), "{alarms:?}");
    let answer = otto.admins().renew_admin(renew("otto", &key)).await?.into_inner();
    let new = credentials(answer.certificate.context("no certificate")?, key)?;
    ensure!(new.subject() == old.subject(), "somebody else");
    world.as_admin(&new).await?.audit_trail().await?;

    // Another's is for an operator.
    let request = renew("ada", &CertificateRequest::generate()?);
    let refused = world.as_admin(&new).await?.admins().renew_admin(request).await.err();
    ensure!(refused.is_some_and(|it| reason(&it) == "ROLE_MISSING"), "an auditor renewed ada");
    let key = CertificateRequest::generate()?;
    let answer = world.admin.admins().renew_admin(renew("otto", &key)).await?.into_inner();
    let newest = credentials(answer.certificate.context("no certificate")?, key)?;
    world.as_admin(&newest).await?.audit_trail().await?;
    ensure!(world.as_admin(&new).await?.audit_trail().await.is_err(), "the one before is good");
    Ok(())
}

async fn a_revoked_administrator_is_cut_and_the_last_operator_stays(engine: Engine) -> Result<()> {
    let world = World::serving(engine).await?;
    let last = world.admin.admins().revoke_admin(revoke("ada")).await.err();
    let last = last.context("the last operator was revoked")?;
    ensure!(last.code() == Code::FailedPrecondition && reason(&last) == "LAST_OPERATOR", "{last}");
    // One whose certificate has ended is none who could help.
    world.admin.create_admin("brief", &[AdminRole::Operator], 900).await?;
    world.place.clock.advance_seconds(1000);
    let last = world.admin.admins().revoke_admin(revoke("ada")).await.err();
    ensure!(last.is_some_and(|it| reason(&it) == "LAST_OPERATOR"), "the last was revoked");

    let olga = world.admin.create_admin("olga", &[AdminRole::Operator], 0).await?;
    let office = world.as_admin(&olga).await?;
    let cut = closed(&world.credentials, &world).await?;
    office.admins().revoke_admin(revoke("ada")).await?;
    let refused = world.admin.put("a", b"one").await.err().context("a revoked one writes")?;
    ensure!(
        reason(&refused) == "CERTIFICATE_UNKNOWN" || refused.code() == Code::Unavailable,
        "{refused}"
    );
    ensure!(cut.await, "a revoked administrator's connection is open");
    let again = world.as_admin(&world.credentials).await?.audit_trail().await;
    ensure!(again.is_err(), "a revoked one came again");
    let trail = office.audit_trail().await?;
    let record = trail.iter().find(|it| it.action == "admin.revoke" && it.decision == "allowed");
    let record = record.context("no record")?;
    ensure!(record.actor == "admin:olga" && record.reason == "a test", "{record:?}");
    // The name is free, and whoever gets it is another.
    let ada = office.create_admin("ada", &[AdminRole::Auditor], 0).await?;
    ensure!(ada.subject() != world.credentials.subject(), "the same again");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_new_administrator_is_named() -> Result<()> {
    use AdminRole::{Auditor, Reader, Writer};
    let world = World::serving(Engine::Sqlite).await?;
    let good = || create("new", &[Reader]);
    let cases: Vec<(&str, CreateAdminRequest)> = vec![
        ("name", CreateAdminRequest { name: "New".into(), ..good()? }),
        ("name", CreateAdminRequest { name: String::new(), ..good()? }),
        ("roles", create("new", &[])?),
        ("roles", create("new", &[Reader, Reader])?),
        ("roles", CreateAdminRequest { roles: vec![5], ..good()? }),
        ("roles", CreateAdminRequest { roles: vec![0], ..good()? }),
        ("roles", create("new", &[Writer, Auditor])?),
        ("lifetime_seconds", CreateAdminRequest { lifetime_seconds: 899, ..good()? }),
        ("lifetime_seconds", CreateAdminRequest { lifetime_seconds: 7_776_001, ..good()? }),
        ("lifetime_seconds", CreateAdminRequest { lifetime_seconds: -1, ..good()? }),
        ("request_id", CreateAdminRequest { request_id: "1".into(), ..good()? }),
        (
            "certificate_request_der",
            CreateAdminRequest { certificate_request_der: vec![1], ..good()? },
        ),
    ];
    for (field, request) in cases {
        let refused: Status =
            world.admin.admins().create_admin(request.clone()).await.err().context("made")?;
        ensure!(fields(&refused) == [field], "{request:?}: {refused:?}");
    }
    let both = CreateAdminRequest { allow_both: true, ..create("both", &[Writer, Auditor])? };
    world.admin.admins().create_admin(both).await?;
    let reason = "r".repeat(513);
    let request = RevokeAdminRequest { name: "both".into(), reason, ..Default::default() };
    let refused = world.admin.admins().revoke_admin(request).await.err().context("revoked")?;
    ensure!(fields(&refused) == ["reason"], "{refused:?}");
    for name in ["nobody", "no-one"] {
        let request = GetAdminRequest { name: name.to_owned() };
        let refused = world.admin.admins().get_admin(request).await.err().context("found")?;
        ensure!(refused.code() == Code::NotFound, "{refused:?}");
    }
    Ok(())
}
