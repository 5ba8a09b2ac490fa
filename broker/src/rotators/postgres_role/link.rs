//! Connections to the Postgres whose roles are rotated; each is made for one statement.

use super::value::{Login, Where};
use crate::rotators::{OwnSecrets, RotatorError};
use secretref_domain::name::RotatorAlias;
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, PgConnection,
    postgres::{PgConnectOptions, PgSslMode},
};
use std::{net::IpAddr, str::FromStr, time::Duration};
use tokio::time::timeout;

/// The way to a Postgres.
pub(super) struct Link {
    alias: RotatorAlias,
    place: Where,
    admin: PgConnectOptions,
    /// PEM of the authority of its certificate.
    authority: Option<Vec<u8>>,
}

/// Why a statement was not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Nobody is there, or it is not ready.
    Away(String),
    /// It did not answer in time.
    Late,
    /// Role or password are wrong, or it may not come in.
    NotLetIn,
    /// There is no such role.
    NoRole,
    /// It may not do that.
    NotAllowed,
    /// Its certificate is not trusted, or it has none.
    Untrusted,
    /// Anything else, by its SQLSTATE.
    Other(String),
}

impl Link {
    pub(super) fn open(
        alias: &RotatorAlias,
        address: &str,
        own: &OwnSecrets,
    ) -> Result<Self, RotatorError> {
        let wrong = |what: &str, fix: String| RotatorError::lasting(alias, what, fix);
        let place = placed(address).ok_or_else(|| {
            let fix = format!("set `secrets.rotators.{alias}.address` to HOST:PORT/DATABASE");
            wrong("has an `address` that is none", fix)
        })?;
        let admin = own.get("admin").ok_or_else(|| {
            let fix = format!("set `secrets.rotators.{alias}.secrets.admin` and apply again");
            wrong("has no secret `admin`", fix)
        })?;
        let none = || {
            let fix = "put it as postgres://USER:PASSWORD@HOST:PORT/DATABASE".to_owned();
            wrong("has an `admin` that is no address of a Postgres", fix)
        };
        let url = std::str::from_utf8(admin.expose()).map_err(|_| none())?.trim();
        // A URL may name files of the host, and what is put by the API must not.
        if url.contains("ssl") {
            let fix = "leave them out: TLS is used wherever it crosses a network; \
                       `secrets.ca` has the authority";
            return Err(wrong("has an `admin` with settings of TLS in it", fix.to_owned()));
        }
        let admin = PgConnectOptions::from_str(url).map_err(|_| none())?;
        let authority = own.get("ca").map(|pem| pem.expose().to_vec());
        Ok(Self { alias: alias.clone(), place, admin, authority })
    }

    pub(super) fn place(&self) -> &Where {
        &self.place
    }

    /// Runs a statement as the role that may.
    pub(super) async fn run(&self, statement: &str) -> Result<(), Refusal> {
        let options = self.secured(self.admin.clone());
        within(async move {
            let mut connection = PgConnection::connect_with(&options).await?;
            // Our own words, with names and texts quoted.
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
            connection.close().await
        })
        .await
    }

    /// Whether a role is let in.
    pub(super) async fn try_login(&self, login: &Login) -> Result<(), Refusal> {
        let Where { host, port, database } = &self.place;
        let options = PgConnectOptions::new_without_pgpass()
            .host(host)
            .port(*port)
            .database(database)
            .username(&login.user)
            .password(&login.password);
        let options = self.secured(options);
        within(async move {
            let mut connection = PgConnection::connect_with(&options).await?;
            sqlx::raw_sql("SELECT 1").execute(&mut connection).await?;
            connection.close().await
        })
        .await
    }

    /// With TLS, and a server that is whom it should be, wherever it crosses a network; and with
    /// nothing in the log, which would have the statement.
    fn secured(&self, options: PgConnectOptions) -> PgConnectOptions {
        let host = options.get_host().to_owned();
        let mode = if is_own(&host) { PgSslMode::Prefer } else { PgSslMode::VerifyFull };
        let options = options.ssl_mode(mode).disable_statement_logging();
        match &self.authority {
            Some(pem) => options.ssl_root_cert_from_pem(pem.clone()),
            None => options,
        }
    }

    /// What a refusal means for a rotation.
    pub(super) fn told(&self, refusal: Refusal, role: &str) -> RotatorError {
        let Self { alias, place, .. } = self;
        let address = format!("{}:{}", place.host, place.port);
        let lasting = |message: String, fix: String| RotatorError::lasting(alias, message, fix);
        let passing = |message: String, fix: String| RotatorError::passing(alias, message, fix);
        match refusal {
            Refusal::Away(why) => passing(
                format!("cannot reach {address}: {why}"),
                format!("pg_isready -h {}", place.host),
            ),
            Refusal::Late => passing(
                format!("was not answered by {address} within {} s", TIME_MAX.as_secs()),
                format!("pg_isready -h {}", place.host),
            ),
            Refusal::NotLetIn => lasting(
                format!("is not let in at {address} as its `admin`"),
                format!("put the secret that `secrets.rotators.{alias}.secrets.admin` names"),
            ),
            Refusal::NoRole => lasting(
                format!("finds no role {role:?} at {address}"),
                format!("CREATE ROLE \"{role}\" LOGIN"),
            ),
            Refusal::NotAllowed => lasting(
                format!("may not alter role {role:?} at {address}"),
                format!(
                    "GRANT \"{role}\" TO the role of `admin` WITH ADMIN OPTION, and CREATEROLE"
                ),
            ),
            Refusal::Untrusted => lasting(
                format!("does not trust the certificate of {address}"),
                format!("name its authority as `secrets.rotators.{alias}.secrets.ca`"),
            ),
            Refusal::Other(state) => passing(
                format!("was refused by {address} with SQLSTATE {state}"),
                "look at the server's log".to_owned(),
            ),
        }
    }
}

async fn within(asked: impl Future<Output = Result<(), sqlx::Error>>) -> Result<(), Refusal> {
    match timeout(TIME_MAX, asked).await {
        Ok(answered) => answered.map_err(|error| refusal(&error)),
        Err(_) => Err(Refusal::Late),
    }
}

fn refusal(error: &sqlx::Error) -> Refusal {
    match error {
        sqlx::Error::Database(error) => match error.code().as_deref() {
            Some("28P01" | "28000") => Refusal::NotLetIn,
            Some("42704") => Refusal::NoRole,
            Some("42501") => Refusal::NotAllowed,
            Some(state @ ("53300" | "57P03" | "57P01" | "57P02")) => {
                Refusal::Away(format!("SQLSTATE {state}"))
            }
            state => Refusal::Other(state.unwrap_or("none").to_owned()),
        },
        sqlx::Error::Tls(_) => Refusal::Untrusted,
        sqlx::Error::Io(error) => Refusal::Away(error.kind().to_string()),
        _ => Refusal::Away("the connection broke".to_owned()),
    }
}

/// `HOST:PORT/DATABASE`; a host with colons in brackets.
fn placed(address: &str) -> Option<Where> {
    let (host, database) = address.split_once('/')?;
    let (host, port) = host.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(host);
    let plain = |it: char| it.is_ascii_alphanumeric() || ".-:_".contains(it);
    let fits = !host.is_empty() && host.chars().all(plain) && !database.is_empty();
    let port = port.parse().ok().filter(|_| fits)?;
    Some(Where { host: host.to_owned(), port, database: database.to_owned() })
}

fn is_own(host: &str) -> bool {
    let address = host.parse::<IpAddr>();
    host == "localhost" || host.starts_with('/') || address.is_ok_and(|it| it.is_loopback())
}

/// How long a connection and its statement may take.
const TIME_MAX: Duration = Duration::from_secs(10);
