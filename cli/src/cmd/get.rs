//! `secretref get`: break-glass. Nothing is read without `--reveal` and a reason.

use super::{incomplete, kept_name};
use crate::{
    connect::{Session, ask},
    failure::{Exit, Failure},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use secretref_proto::v1;
use serde::Serialize;
use zeroize::Zeroizing;

/// Read a value: break-glass, with a reason, on the record.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  \
    secretref get stripe-api-key --reveal --reason \"ticket 4711: comparing with the dashboard\" \
    > key\n\
    Needs the reader role. Who read it, when and why is in the audit trail before it is printed.")]
pub(crate) struct Get {
    /// Name of the secret
    name: String,
    /// Version to read; without it the current one
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    version: Option<i64>,
    /// Print the value
    #[arg(long)]
    reveal: bool,
    /// Why it is read: 1 to 512 bytes, written to the audit trail
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

#[derive(Serialize)]
struct Revealed<'a> {
    name: &'a str,
    version: i64,
    value_base64: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
}

impl Get {
    /// Prints the bytes of the value as they are; on a terminal a newline follows.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let name = kept_name(&self.name)?;
        let reason = self.reason.filter(|reason| !reason.trim().is_empty());
        let (true, Some(reason)) = (self.reveal, reason) else {
            let missing = if self.reveal { "--reason TEXT" } else { "--reveal" };
            let what = format!(
                "reading a value is on the record and needs --reveal and --reason TEXT; {missing} \
                 is missing"
            );
            let fix = format!(
                "secretref get {name} --reveal --reason \"why\", or secretref show {name} for \
                 everything but the value"
            );
            return Err(Failure::usage(what, fix));
        };
        let request = v1::AccessSecretVersionRequest {
            name: name.clone(),
            environment: session.environment(),
            version: self.version.unwrap_or(0),
            reason,
        };
        let mut client = session.secrets().await?;
        let answer = ask(client.access_secret_version(request)).await?;
        let value = Zeroizing::new(answer.value);
        if session.out.json {
            let version = answer.version.ok_or_else(|| incomplete("version"))?.version;
            let value_base64 = Zeroizing::new(BASE64_STANDARD.encode(&*value));
            let text = std::str::from_utf8(&value).ok();
            let value_base64 = value_base64.as_str();
            session.out.json(&Revealed { name: &name, version, value_base64, value: text })?;
            return Ok(Exit::Done);
        }
        session.out.bytes(&value)?;
        if session.out.terminal {
            session.out.bytes(b"\n")?;
        }
        Ok(Exit::Done)
    }
}
