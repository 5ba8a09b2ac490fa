//! The authorisation matrix: everybody × every method of the descriptor × every object × both
//! ports. What is expected is written down here once more, apart from the broker's own table, so
//! that a slip in that one is found; and every `match` on a method is without a wildcard, so that a
//! new method needs a line in each.

mod ask;
mod cast;

pub(crate) use ask::call;

use crate::world::{Stream, World, hello};
use anyhow::{Context, Result, ensure};
use ask::{Names, request};
use cast::{Cast, EVERYBODY, Who};
use secretref_domain::policy::{Role, Roles};
use secretref_proto::{method::Method, v1::watch_response::Message};
use secretref_testkit::{engine::Engine, on_both_engines};
use tonic::{Code, Status, transport::Channel};
use tonic_types::StatusExt;

/// Which port is knocked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Port {
    Agents,
    Admins,
}

/// What a request is about, as the one who asks sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Object {
    Own,
    Anothers,
    Elsewhere,
    Unknown,
}

/// In this order, since what is one's own is spoilt last.
const OBJECTS: [Object; 4] = [Object::Unknown, Object::Elsewhere, Object::Anothers, Object::Own];

/// How a cell comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// No connection.
    Shut,
    /// There is no such method.
    Nowhere,
    /// He may not, whoever he is.
    Denied,
    /// Nobody, or with a certificate that ended.
    Unauthenticated,
    /// He may; what comes of it depends on the object.
    Reached,
}

/// Where a method is, and which role by itself is enough for it. The rule of a new method goes
/// here and into `broker/src/grpc/rule.rs`.
fn rule(method: Method) -> (Port, &'static [Role]) {
    use Role::{Auditor, Operator, Reader, Writer};
    const ANY: &[Role] = &[Writer, Reader, Operator, Auditor];
    match method {
        Method::PutSecret => (Port::Admins, &[Writer]),
        Method::GetSecret => (Port::Admins, ANY),
        Method::ListSecrets => (Port::Admins, ANY),
        Method::ListSecretVersions => (Port::Admins, ANY),
        Method::AccessSecretVersion => (Port::Admins, &[Reader]),
        Method::ActivateSecretVersion => (Port::Admins, &[Writer]),
        Method::DestroySecretVersion => (Port::Admins, &[Writer]),
        Method::DeleteSecret => (Port::Admins, &[Writer]),
        Method::UndeleteSecret => (Port::Admins, &[Writer]),
        Method::ApplyManifest => (Port::Admins, &[Operator]),
        Method::GetAgent => (Port::Admins, ANY),
        Method::ListAgents => (Port::Admins, ANY),
        Method::ListAgentStatuses => (Port::Admins, ANY),
        Method::CreateJoinToken => (Port::Admins, &[Operator]),
        Method::RevokeAgent => (Port::Admins, &[Operator]),
        Method::QuarantineAgent => (Port::Admins, &[Operator]),
        Method::ReleaseAgent => (Port::Admins, &[Operator]),
        Method::CreateAdmin => (Port::Admins, &[Operator]),
        Method::GetAdmin => (Port::Admins, ANY),
        Method::ListAdmins => (Port::Admins, ANY),
        Method::RenewAdmin => (Port::Admins, &[Operator]),
        Method::RevokeAdmin => (Port::Admins, &[Operator]),
        Method::GetBroker => (Port::Admins, ANY),
        Method::ListAuditEntries => (Port::Admins, &[Operator, Auditor]),
        Method::MatchSecrets => (Port::Admins, &[Operator, Auditor]),
        Method::ReadTrail => (Port::Admins, &[Operator, Auditor]),
        Method::RecordArchive => (Port::Admins, &[Auditor]),
        Method::GetTrailKey => (Port::Admins, &[Operator, Auditor]),
        Method::FollowAudit => (Port::Admins, &[Operator, Auditor]),
        Method::TraceSecret => (Port::Admins, &[Operator, Auditor]),
        Method::TraceAgent => (Port::Admins, &[Operator, Auditor]),
        Method::ListProviders => (Port::Admins, ANY),
        Method::CheckProvider => (Port::Admins, &[Operator]),
        Method::ListReferences => (Port::Admins, ANY),
        Method::DiagnoseReferences => (Port::Admins, ANY),
        Method::ListEnvironments => (Port::Admins, ANY),
        Method::UseEnvironment => (Port::Admins, &[Operator]),
        Method::StartRotations => (Port::Admins, &[Operator]),
        Method::PlanRotations => (Port::Admins, ANY),
        Method::GetRotation => (Port::Admins, ANY),
        Method::GetReceipt => (Port::Admins, ANY),
        Method::ListRotations => (Port::Admins, ANY),
        Method::AbortRotation => (Port::Admins, &[Operator]),
        Method::EvictInstance => (Port::Admins, &[Operator]),
        Method::ListChannels => (Port::Admins, ANY),
        Method::TestChannel => (Port::Admins, &[Operator]),
        Method::ListConditions => (Port::Admins, ANY),
        Method::TellConditions => (Port::Admins, &[Operator]),
        Method::Join => (Port::Agents, &[]),
        Method::Renew => (Port::Agents, &[]),
        Method::Watch | Method::Resolve => (Port::Agents, &[]),
    }
}

/// What has to come out.
fn expected(who: Who, port: Port, method: Method, object: Object) -> Outcome {
    let role = match who {
        Who::Writer => Some(Role::Writer),
        Who::Reader => Some(Role::Reader),
        Who::Operator => Some(Role::Operator),
        Who::Auditor => Some(Role::Auditor),
        _ => None,
    };
    let admin = role.is_some() || matches!(who, Who::RevokedAdmin | Who::SupersededAdmin);
    let shut = match port {
        _ if matches!(who, Who::Broker | Who::ExpiredAdmin) => true,
        Port::Agents => admin,
        Port::Admins => !admin,
    };
    let (served_at, roles) = rule(method);
    if shut {
        return Outcome::Shut;
    }
    if served_at != port {
        return Outcome::Nowhere;
    }
    if port == Port::Agents {
        return at_agents(who, method, object);
    }
    // Everybody with a role renews what is his own.
    let own = method == Method::RenewAdmin && matches!(object, Object::Own);
    match role {
        Some(role) if own || roles.contains(&role) => Outcome::Reached,
        _ => Outcome::Denied,
    }
}

fn at_agents(who: Who, method: Method, object: Object) -> Outcome {
    match (method, who) {
        // One answer for every token that is not good.
        (Method::Join, Who::Stranger) if matches!(object, Object::Unknown) => {
            Outcome::Unauthenticated
        }
        (Method::Join, Who::Stranger) => Outcome::Reached,
        (Method::Join, _) => Outcome::Denied,
        (_, Who::Stranger) => Outcome::Unauthenticated,
        (Method::Watch | Method::Resolve, Who::ExpiredAgent) => Outcome::Unauthenticated,
        (_, Who::Worker | Who::Neighbour | Who::Foreigner | Who::ExpiredAgent) => Outcome::Reached,
        _ => Outcome::Denied,
    }
}

fn outcome(answer: Option<&Status>) -> Outcome {
    match answer.map(Status::code) {
        Some(Code::Unimplemented) => Outcome::Nowhere,
        Some(Code::PermissionDenied) => Outcome::Denied,
        Some(Code::Unauthenticated) => Outcome::Unauthenticated,
        _ => Outcome::Reached,
    }
}

/// All that a refusal says, so that two can be compared to the byte.
fn said(status: &Status) -> String {
    format!("{:?} {} {:?}", status.code(), status.message(), status.get_error_details())
}

on_both_engines!(
    everybody_gets_what_the_rules_say_and_nothing_else,
    streams_bring_what_is_ones_own,
);

async fn everybody_gets_what_the_rules_say_and_nothing_else(engine: Engine) -> Result<()> {
    // Each asks for every method in turn, which is more than a limit's burst.
    let mut cast = Cast::assemble(World::with_busy_worker(engine, &["a"]).await?).await?;
    let (mut cells, mut wrong) = (0, Vec::new());
    for port in [Port::Agents, Port::Admins] {
        for who in EVERYBODY {
            for method in Method::ALL {
                let found = row(&mut cast, who, port, method).await?;
                cells += found.len();
                for (object, got, want) in found.into_iter().filter(|(_, got, want)| got != want) {
                    wrong.push(format!("{who:?} {port:?} {method:?} {object}: {got}, not {want}"));
                }
            }
        }
    }
    println!("{cells} cells, {} wrong", wrong.len());
    ensure!(wrong.is_empty(), "{} of {cells} cells:\n{}", wrong.len(), wrong.join("\n"));
    ensure!(cells == 2 * EVERYBODY.len() * Method::ALL.len() * OBJECTS.len(), "{cells} cells");
    Ok(())
}

/// One row: what came out for each object, and what should have.
async fn row(
    cast: &mut Cast,
    who: Who,
    port: Port,
    method: Method,
) -> Result<Vec<(String, String, String)>> {
    let connected = cast.connect(who, port).await?;
    let names = names(cast, method, connected.as_ref().map(|(_, name)| name.as_str())).await?;
    let mut refusals: Vec<String> = Vec::new();
    let mut cells = Vec::new();
    for object in OBJECTS {
        let want = expected(who, port, method, object);
        let got = match &connected {
            None => Outcome::Shut,
            Some((channel, _)) => {
                let answer = ask(channel, method, object, &names).await?;
                let got = outcome(answer.as_ref());
                refusals.extend(answer.filter(|_| got != Outcome::Reached).map(|it| said(&it)));
                got
            }
        };
        cells.push((format!("{object:?}"), format!("{got:?}"), format!("{want:?}")));
    }
    // Whether an object is there must not show in how somebody is refused who may not know.
    refusals.dedup();
    if refusals.len() > 1 {
        let told = format!("two answers: {refusals:?}");
        cells.push(("refusals".to_owned(), told, "one answer".to_owned()));
    }
    Ok(cells)
}

async fn names(cast: &Cast, method: Method, admin: Option<&str>) -> Result<Names> {
    let mut tokens = [const { String::new() }; 4];
    if method == Method::Join && admin.is_some() {
        tokens[Object::Own as usize] = cast.token("default", "worker").await?;
        tokens[Object::Anothers as usize] = cast.token("default", "neighbour").await?;
        tokens[Object::Elsewhere as usize] = cast.token("staging", "stranger").await?;
        // As good as a token can look without being one.
        let other = World::with_worker(Engine::Sqlite, &["a"]).await?;
        tokens[Object::Unknown as usize] = other.admin.token("worker").await?;
    }
    let own_admin = admin.unwrap_or("no-admin").to_owned();
    Ok(Names { own_admin, other_admin: "superseded".to_owned(), tokens })
}

async fn ask(
    channel: &Channel,
    method: Method,
    object: Object,
    names: &Names,
) -> Result<Option<Status>> {
    let message = request(method, object, names)?;
    call(channel, method.path().parse()?, message).await
}

/// A stream is authorised at every send: it brings what its agent is bound to, whoever asks.
async fn streams_bring_what_is_ones_own(engine: Engine) -> Result<()> {
    let fresh = Cast::assemble(World::with_worker(engine, &["a"]).await?).await?;
    for (who, secret) in [(Who::Worker, "a"), (Who::Neighbour, "b"), (Who::Foreigner, "c")] {
        let channel = fresh.world.agent_channel(fresh.credentials(who)?).await?;
        let mut stream = Stream::open(channel, hello()).await?;
        let Message::Welcome(_) = stream.next().await? else { anyhow::bail!("no welcome") };
        let names: Vec<_> =
            stream.manifest().await?.entries.into_iter().map(|entry| entry.name).collect();
        ensure!(names == [secret], "{who:?} was brought {names:?}");
    }
    Ok(())
}

/// One who is an administrator and may nothing.
#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_without_a_role_may_nothing() -> Result<()> {
    let world = World::serving_for(Engine::Sqlite, Roles::new()).await?;
    let names = Names {
        own_admin: "ada".to_owned(),
        other_admin: "other".to_owned(),
        tokens: [const { String::new() }; 4],
    };
    let mut cells = 0;
    for method in Method::ALL {
        for object in OBJECTS {
            let answer = ask(&world.admin.channel(), method, object, &names).await?;
            let answer = answer.with_context(|| format!("{method:?} was answered"))?;
            let (port, _) = rule(method);
            let want = if port == Port::Admins { Outcome::Denied } else { Outcome::Nowhere };
            ensure!(outcome(Some(&answer)) == want, "{method:?} {object:?}: {answer}");
            cells += 1;
        }
    }
    println!("{cells} cells, 0 wrong");
    Ok(())
}
