//! `secretref admin create`.

use super::{Role, Shown, admin_name, folder, issued, life, profile_of, roles};
use crate::{
    args::duration,
    cmd::{incomplete, request_id},
    connect::{Session, ask_twice},
    failure::{Exit, Failure},
    print::time,
    profile::{Book, Files, Profile},
};
use secretref_identity::request::CertificateRequest;
use secretref_proto::v1;
use std::{path::PathBuf, time::Duration};

/// Make an administrator: a key, made here, and his certificate.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    secretref admin create wendy --role writer --out ./wendy\n  \
    secretref admin create me-as-auditor --role auditor --save-profile audit\n\
    Writes ca.crt, admin.crt and admin.key, which its owner alone may read, into a folder of their \
    own. The key leaves this machine only if you carry it.")]
pub(crate) struct Create {
    /// Name of the new administrator
    name: String,
    /// What he may do; may be repeated
    #[arg(long = "role", value_name = "ROLE", required = true)]
    roles: Vec<Role>,
    /// Allow writer and auditor together
    #[arg(long)]
    allow_both: bool,
    /// How long the certificate is valid, 90d at most; without it 90d
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    ttl: Option<Duration>,
    /// Folder for the files; without it ~/.config/secretref/admins/NAME
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Keep a profile of this name that uses the files
    #[arg(long, value_name = "PROFILE")]
    save_profile: Option<String>,
}

impl Create {
    /// Writes the key first, then asks for its certificate; what came to nothing is taken away.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        let name = admin_name(&self.name)?;
        let lifetime_seconds = life(self.ttl)?;
        let former = session.profile()?;
        let files = Files::new_in(&folder(session, self.out.clone(), &name)?)?;
        let request = files.write_key()?;
        let message = v1::CreateAdminRequest {
            name,
            roles: self.roles.iter().map(|role| role.number()).collect(),
            certificate_request_der: request.der.clone(),
            lifetime_seconds,
            allow_both: self.allow_both,
            request_id: request_id(),
        };
        let saved = self.save(session, &files, &former);
        let made = match saved {
            Ok(book) => create(session, message).await.map(|answer| (answer, book)),
            Err(failure) => Err(failure),
        };
        let (answer, book) = made.inspect_err(|_| files.discard())?;
        finish(session, &files, request, answer, book)
    }

    /// The profiles with the new one, not kept yet: a name that is taken is found out before
    /// anybody is made.
    fn save(
        &self,
        session: &Session<'_>,
        files: &Files,
        former: &Profile,
    ) -> Result<Option<Book>, Failure> {
        let Some(name) = &self.save_profile else { return Ok(None) };
        let mut book = Book::open_or_begin(session.config())?;
        book.add(name, &profile_of(files, former))?;
        Ok(Some(book))
    }
}

async fn create(
    session: &Session<'_>,
    message: v1::CreateAdminRequest,
) -> Result<v1::CreateAdminResponse, Failure> {
    let client = session.admins().await?;
    ask_twice(|| {
        let (mut client, message) = (client.clone(), message.clone());
        async move { client.create_admin(message).await }
    })
    .await
}

fn finish(
    session: &Session<'_>,
    files: &Files,
    request: CertificateRequest,
    answer: v1::CreateAdminResponse,
    book: Option<Book>,
) -> Result<Exit, Failure> {
    let admin = answer.admin.ok_or_else(|| incomplete("administrator"))?;
    let certificate = answer.certificate.ok_or_else(|| incomplete("certificate"))?;
    files.write_certificates(&issued(certificate, request)?)?;
    if let Some(book) = &book {
        book.save()?;
    }
    if session.out.json {
        session.out.json(&Shown::of(&admin, Some(files)))?;
        return Ok(Exit::Done);
    }
    let until = time::moment(admin.certificate_expire_time.as_ref());
    let roles = roles(&admin).join(", ");
    session.out.line(&format!("{} ({roles}), certificate until {until}", admin.name))?;
    for path in [&files.ca, &files.cert, &files.key] {
        session.out.line(&path.display().to_string())?;
    }
    session.out.note("whoever has admin.key is this administrator; hand it over, do not copy it");
    Ok(Exit::Done)
}
