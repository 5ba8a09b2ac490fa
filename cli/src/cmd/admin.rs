//! `secretref admin`: one verb, one file.

mod create;
mod list;
mod renew;
mod revoke;

use crate::{
    connect::Session,
    failure::{Exit, Failure},
    print::time,
    profile::{Files, Profile},
};
use clap::ValueEnum;
use secretref_domain::{limit::ADMIN_LIFE_SECONDS_MAX, name::AdminName};
use secretref_identity::{
    credentials::{Credentials, TrustBundle},
    request::CertificateRequest,
    subject::TrustDomain,
};
use secretref_proto::v1;
use serde::Serialize;
use std::{path::PathBuf, time::Duration};

/// Administer administrators.
#[derive(clap::Subcommand)]
#[command(after_help = "Example:\n  secretref admin create wendy --role writer --out ./wendy\n\
    Roles: writer (writes secrets, never reads one), reader (reads values, with a reason), \
    operator (agents, manifests, administrators), auditor (reads the audit trail).")]
pub(crate) enum Admin {
    /// Make an administrator: a key, made here, and his certificate
    Create(create::Create),
    /// List administrators
    List(list::List),
    /// Get another certificate, for oneself or as an operator for another
    Renew(renew::Renew),
    /// Revoke an administrator: his certificate is refused and his connections are cut
    Revoke(revoke::Revoke),
}

impl Admin {
    /// Does what the command line says.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        match self {
            Self::Create(command) => command.run(session).await,
            Self::List(command) => command.run(session).await,
            Self::Renew(command) => command.run(session).await,
            Self::Revoke(command) => command.run(session).await,
        }
    }
}

/// What an administrator may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Writes secrets; never reads one
    Writer,
    /// Reads values, with a reason
    Reader,
    /// Agents, manifests, administrators; reads the audit trail
    Operator,
    /// Reads the audit trail
    Auditor,
}

impl Role {
    fn number(self) -> i32 {
        let role = match self {
            Self::Writer => v1::AdminRole::Writer,
            Self::Reader => v1::AdminRole::Reader,
            Self::Operator => v1::AdminRole::Operator,
            Self::Auditor => v1::AdminRole::Auditor,
        };
        role.into()
    }
}

/// An administrator as programs read him.
#[derive(Serialize)]
pub(crate) struct Shown {
    name: String,
    uid: String,
    roles: Vec<&'static str>,
    create_time: Option<String>,
    certificate_expire_time: Option<String>,
    certificate_serial: String,
    /// Where his files are, where they were just written.
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<Paths>,
}

#[derive(Serialize)]
struct Paths {
    ca: PathBuf,
    cert: PathBuf,
    key: PathBuf,
}

impl Shown {
    fn of(admin: &v1::Admin, files: Option<&Files>) -> Self {
        let paths = |files: &Files| Paths {
            ca: files.ca.clone(),
            cert: files.cert.clone(),
            key: files.key.clone(),
        };
        Self {
            name: admin.name.clone(),
            uid: admin.uid.clone(),
            roles: roles(admin),
            create_time: time::optional(admin.create_time.as_ref()),
            certificate_expire_time: time::optional(admin.certificate_expire_time.as_ref()),
            certificate_serial: admin.certificate_serial.clone(),
            files: files.map(paths),
        }
    }
}

/// The roles of an administrator as words.
pub(super) fn roles(admin: &v1::Admin) -> Vec<&'static str> {
    let word = |role| match role {
        v1::AdminRole::Unspecified => "unknown",
        v1::AdminRole::Writer => "writer",
        v1::AdminRole::Reader => "reader",
        v1::AdminRole::Operator => "operator",
        v1::AdminRole::Auditor => "auditor",
    };
    admin.roles().map(word).collect()
}

/// The name of an administrator, or why it is none.
fn admin_name(given: &str) -> Result<String, Failure> {
    match AdminName::parse(given) {
        Ok(_) => Ok(given.to_owned()),
        Err(error) => Err(Failure::usage(error.to_string(), "see secretref admin list for names")),
    }
}

/// For the wire: 0 where nothing is said.
fn life(ttl: Option<Duration>) -> Result<i64, Failure> {
    let Some(ttl) = ttl else { return Ok(0) };
    match i64::try_from(ttl.as_secs()) {
        Ok(seconds @ 900..=ADMIN_LIFE_SECONDS_MAX) => Ok(seconds),
        _ => {
            Err(Failure::usage("an administrator's certificate lives for 15m to 90d", "--ttl 90d"))
        }
    }
}

/// Where files go without `--out`: beside the profiles.
fn folder(session: &Session<'_>, out: Option<PathBuf>, name: &str) -> Result<PathBuf, Failure> {
    let profiles = session.config().profiles.as_ref().and_then(|path| path.parent());
    match (out, profiles) {
        (Some(out), _) => Ok(out),
        (None, Some(profiles)) => Ok(profiles.join("admins").join(name)),
        (None, None) => {
            let what = "neither HOME nor XDG_CONFIG_HOME says where the files go";
            Err(Failure::usage(what, "--out DIR"))
        }
    }
}

/// What the broker answered, with the key that it was asked for.
fn issued(
    certificate: v1::AdminCertificate,
    request: CertificateRequest,
) -> Result<Credentials, Failure> {
    let unusable = |error: String| {
        let what = format!("the broker's certificate cannot be used: {error}");
        Failure::new(Exit::Refused, what, "use a secretref and a broker of the same version")
    };
    let bundle = certificate.trust_bundle.unwrap_or_default();
    let domain = TrustDomain::parse(&bundle.trust_domain).map_err(|it| unusable(it.to_string()))?;
    let roots = bundle.roots_der.into_iter().map(Into::into).collect();
    let trust = TrustBundle::new(domain, roots).map_err(|error| unusable(error.to_string()))?;
    let chain = certificate.chain_der.into_iter().map(Into::into).collect();
    Credentials::new(chain, request.key, trust).map_err(|error| unusable(error.to_string()))
}

/// A profile that goes where this one goes, as somebody else.
fn profile_of(files: &Files, former: &Profile) -> Profile {
    let Files { ca, cert, key } = files;
    Profile { ca: ca.clone(), cert: cert.clone(), key: key.clone(), ..former.clone() }
}
