//! No value and no token in anything that a run leaves behind: databases, logs at TRACE, errors,
//! audit rows, arguments and environments. Only the agent's own files may have them.

mod hands;

use crate::scene::{AGENT, PAYMENT_ANALYST, SLACK, SLACK_FILE, STRIPE, STRIPE_FILE};
use anyhow::{Context, Result, ensure};
use secretref_proto::v1::{AccessSecretVersionRequest, PutSecretRequest};
use secretref_testkit::{
    admin::Admin,
    agent::Agent,
    broker::Broker,
    canary::{Canary, Scanner},
    engine::Engine,
    on_both_engines,
    process::Process,
    sql::Sql,
};

on_both_engines!(no_value_leaks_sideways);

async fn no_value_leaks_sideways(engine: Engine) -> Result<()> {
    let mut broker = Broker::start(engine).await?;
    let admin = broker.admin().await?;
    let [first, second, third, refused] = ["first", "second", "third", "refused"].map(Canary::new);
    admin.apply(PAYMENT_ANALYST).await?;
    admin.put(STRIPE, first.bytes()).await?;
    admin.put(SLACK, second.bytes()).await?;
    let token = Canary::of(admin.token(AGENT).await?);
    let mut agent = Agent::new(&broker)?;
    agent.give_token(token.value())?;
    agent.run()?;
    agent.file_becomes(STRIPE_FILE, first.bytes()).await?;
    agent.file_becomes(SLACK_FILE, second.bytes()).await?;
    admin.put(STRIPE, third.bytes()).await?;
    agent.file_becomes(STRIPE_FILE, third.bytes()).await?;

    let all = [&first, &second, &third, &refused, &token];
    let mut scanner = Scanner::new(all)?;
    errors(&admin, &refused, &mut scanner).await?;
    for entry in admin.audit_trail().await? {
        scanner.bytes("the audit trail", format!("{entry:?}").as_bytes());
        scanner.bytes("the audit trail, canonical", &entry.canonical);
    }
    for process in [broker.process(), agent.sidecar()] {
        scanner.process(process.map(Process::pid).context("it runs")?)?;
    }
    // Alive, so that the write-ahead log is there, and again when it has been folded in.
    scanner.path(broker.folder())?;
    agent.stop()?;
    broker.stop()?;
    scanner.path(broker.folder())?;
    scanner.path(&agent.logs())?;
    scanner.path(&agent.state())?;
    scanner.path(&agent.secrets())?;
    database(&broker.database_url(), engine, &mut scanner).await?;
    ensure!(scanner.scanned_bytes() > 10_000, "hardly anything was scanned");
    ensure!(scanner.leaks().is_empty(), "{:#?}", scanner.leaks());
    Ok(())
}

/// Puts that are refused, and a manifest with a value where a ref belongs.
async fn errors(admin: &Admin, refused: &Canary, scanner: &mut Scanner) -> Result<()> {
    let wrong = PutSecretRequest {
        name: "No Such Name".to_owned(),
        value: refused.bytes().to_vec(),
        ..PutSecretRequest::default()
    };
    let said = admin.secrets().put_secret(wrong).await.expect_err("a wrong name");
    scanner.bytes("the answer to a wrong put", format!("{said:?}").as_bytes());
    let literal = PAYMENT_ANALYST
        .replace(r#"{"secretRef": "stripe-api-key", "envVar": "STRIPE_API_KEY"}"#, "LITERAL")
        .replace("LITERAL", &format!("{:?}", refused.value()));
    ensure!(literal.contains(refused.value()), "the manifest has no literal");
    let said = admin.apply(&literal).await.expect_err("a literal");
    scanner.bytes("the answer to a literal", format!("{said:?}").as_bytes());
    scanner.bytes("the details of that answer", said.details());
    // Break-glass is the one way out, and its own record does not hold what came out.
    let read = AccessSecretVersionRequest {
        name: STRIPE.to_owned(),
        reason: "a story".to_owned(),
        ..AccessSecretVersionRequest::default()
    };
    let answer = admin.secrets().access_secret_version(read).await?.into_inner();
    scanner.bytes("the answer as it is printed", format!("{answer:?}").as_bytes());
    Ok(())
}

/// Postgres keeps its files where only it can read: what it holds is asked for.
pub(crate) async fn database(url: &str, engine: Engine, scanner: &mut Scanner) -> Result<()> {
    if engine == Engine::Sqlite {
        return Ok(());
    }
    let mut sql = Sql::connect(url).await?;
    for (table, column) in BLOBS {
        for content in sql.blobs(&format!("SELECT {column} FROM {table}")).await? {
            scanner.bytes(&format!("{table}.{column}"), &content);
        }
    }
    Ok(())
}

/// Every column of any length.
const BLOBS: [(&str, &str); 8] = [
    ("authority_log", "record"),
    ("secret_versions", "wrapped"),
    ("secret_versions", "sealed"),
    ("audit", "entry"),
    ("requests", "fingerprint"),
    ("requests", "answer"),
    ("reports", "detail::bytea"),
    ("vault", "content"),
];
