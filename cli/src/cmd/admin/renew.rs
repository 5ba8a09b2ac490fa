//! `secretref admin renew`.

use super::{Shown, admin_name, folder, issued, life};
use crate::{
    args::duration,
    cmd::incomplete,
    connect::{self, Session, ask, ask_twice},
    failure::{Exit, Failure},
    print::time,
    profile::{Files, Renewal},
};
use secretref_proto::v1::{self, admins_service_client::AdminsServiceClient};
use std::{path::PathBuf, time::Duration};
use tonic::transport::Channel;

/// Get another certificate, for oneself or as an operator for another.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    secretref admin renew\n  \
    secretref admin renew wendy --out ./wendy-new\n\
    One's own files are replaced, with a new key; an interrupted renewal is taken up again. The \
    certificate before is refused at once.")]
pub(crate) struct Renew {
    /// Administrator; without it whoever asks
    admin: Option<String>,
    /// How long the certificate is valid, 90d at most; without it 90d
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    ttl: Option<Duration>,
    /// Folder for another's files; without it ~/.config/secretref/admins/NAME
    #[arg(long, value_name = "DIR", requires = "admin")]
    out: Option<PathBuf>,
}

impl Renew {
    /// Renews, and writes the files.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let lifetime_seconds = life(self.ttl)?;
        let Some(name) = self.admin.as_deref().map(admin_name).transpose()? else {
            return own(session, lifetime_seconds).await;
        };
        let mut client = session.admins().await?;
        let caller = ask(client.get_broker(v1::GetBrokerRequest {})).await?.caller;
        if caller.is_some_and(|caller| caller.name == name) {
            if self.out.is_some() {
                let what = "one's own certificate is renewed where it is";
                return Err(Failure::usage(what, "leave --out out"));
            }
            return own(session, lifetime_seconds).await;
        }
        let files = Files::new_in(&folder(session, self.out, &name)?)?;
        let request = files.write_key()?;
        let message = v1::RenewAdminRequest {
            name,
            certificate_request_der: request.der.clone(),
            lifetime_seconds,
        };
        let answer = renew(&client, message).await.inspect_err(|_| files.discard())?;
        let certificate = answer.certificate.ok_or_else(|| incomplete("certificate"))?;
        files.write_certificates(&issued(certificate, request)?)?;
        show(session, answer.admin, &files)
    }
}

/// Whatever interrupts it, the next try goes on: the key is kept before it is certified.
async fn own(session: &Session<'_>, lifetime_seconds: i64) -> Result<Exit, Failure> {
    let profile = session.profile()?;
    let files = Files::of(&profile);
    let request = match files.begin_renewal()? {
        Renewal::Wanted(request) => request,
        Renewal::Finished => {
            session.out.note("a renewal that was interrupted is finished");
            let mut client = session.admins().await?;
            let answer = ask(client.get_broker(v1::GetBrokerRequest {})).await?;
            return show(session, answer.caller, &files);
        }
    };
    // Not by the session, which would say that the certificate ends soon.
    let client = AdminsServiceClient::new(connect::channel(&profile).await?);
    let message = v1::RenewAdminRequest {
        name: String::new(),
        certificate_request_der: request.der.clone(),
        lifetime_seconds,
    };
    let answer = renew(&client, message).await?;
    let certificate = answer.certificate.ok_or_else(|| incomplete("certificate"))?;
    files.finish_renewal(&issued(certificate, request)?)?;
    show(session, answer.admin, &files)
}

async fn renew(
    client: &AdminsServiceClient<Channel>,
    message: v1::RenewAdminRequest,
) -> Result<v1::RenewAdminResponse, Failure> {
    ask_twice(|| {
        let (mut client, message) = (client.clone(), message.clone());
        async move { client.renew_admin(message).await }
    })
    .await
}

fn show(session: &Session<'_>, admin: Option<v1::Admin>, files: &Files) -> Result<Exit, Failure> {
    let admin = admin.ok_or_else(|| incomplete("administrator"))?;
    if session.out.json {
        session.out.json(&Shown::of(&admin, Some(files)))?;
        return Ok(Exit::Done);
    }
    let until = time::moment(admin.certificate_expire_time.as_ref());
    session.out.line(&format!("{}, certificate until {until}", admin.name))?;
    session.out.line(&files.cert.display().to_string())?;
    session.out.line(&files.key.display().to_string())?;
    Ok(Exit::Done)
}
