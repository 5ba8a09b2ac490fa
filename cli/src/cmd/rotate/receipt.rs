//! `secretref rotate receipt`.

use crate::{
    connect::{Session, ask_twice},
    failure::{Exit, Failure},
};
use secretref_identity::note::{NoteError, NoteVerifier};
use secretref_proto::v1;
use serde::Serialize;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Print the signed receipt of a rotation, or verify one without a broker.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    secretref rotate receipt stripe-api-key > receipt.txt\n  \
    secretref rotate receipt --key-only stripe-api-key > receipts.vkey\n  \
    secretref rotate receipt --verify receipt.txt --key \"$(cat receipts.vkey)\"\n\
    A receipt is a text with an Ed25519 signature under it (c2sp.org/signed-note): which \
    secret and versions, who asked, who was proven to be on the new one and how, and when the old \
    one was revoked. Get the key once, by a way that you trust. Exit codes of --verify: 0 it is \
    genuine, 1 it is not, 2 file or key are none.")]
pub(crate) struct Receipt {
    /// Name of the ref, for its newest finished rotation, or identity of a rotation
    #[arg(required_unless_present = "verify")]
    name: Option<String>,
    /// Print the key alone by which receipts are verified
    #[arg(long, conflicts_with = "verify")]
    key_only: bool,
    /// A receipt to be verified, without a broker
    #[arg(long, value_name = "FILE", requires = "key", conflicts_with = "name")]
    verify: Option<PathBuf>,
    /// The key to verify it by
    #[arg(long, value_name = "KEY", requires = "verify")]
    key: Option<String>,
}

#[derive(Serialize)]
struct Shown<'a> {
    receipt: &'a str,
    verifier_key: &'a str,
}

impl Receipt {
    /// Prints or verifies one.
    pub(crate) async fn run(self, session: &Session<'_>) -> Result<Exit, Failure> {
        if let (Some(file), Some(key)) = (&self.verify, &self.key) {
            return verify(file, key, session);
        }
        let name = self.name.unwrap_or_default();
        let (uid, secret_ref) = match uuid::Uuid::try_parse(&name) {
            Ok(_) => (name, String::new()),
            Err(_) => (String::new(), crate::cmd::secret_name(&name)?),
        };
        let environment = session.environment();
        let request = v1::GetReceiptRequest { uid, secret_ref, environment };
        let client = session.rotations().await?;
        let answer = ask_twice(|| {
            let (mut client, request) = (client.clone(), request.clone());
            async move { client.get_receipt(request).await }
        })
        .await?;
        let v1::GetReceiptResponse { receipt, verifier_key } = &answer;
        match (session.out.json, self.key_only) {
            (true, _) => session.out.json(&Shown { receipt, verifier_key })?,
            (false, true) => session.out.line(verifier_key)?,
            (false, false) => session.out.bytes(receipt.as_bytes())?,
        }
        Ok(Exit::Done)
    }
}

fn verify(file: &Path, key: &str, session: &Session<'_>) -> Result<Exit, Failure> {
    let shown = file.display();
    let key = NoteVerifier::parse(key.trim())
        .map_err(|error| Failure::usage(error.to_string(), "name it as it was printed"))?;
    let note = fs::read_to_string(file).map_err(|error| {
        Failure::usage(format!("{shown} cannot be read: {error}"), "correct the path")
    })?;
    match key.verify(&note) {
        Ok(text) => {
            session.out.bytes(text.as_bytes())?;
            session.out.note("it is genuine");
            Ok(Exit::Done)
        }
        Err(error @ NoteError::Malformed(_)) => {
            let fix = "name a file that `secretref rotate receipt` printed";
            Err(Failure::usage(format!("{shown}: {error}"), fix))
        }
        Err(error) => {
            let fix = "do not rely on it; ask for it anew: secretref rotate receipt";
            Err(Failure::new(Exit::Refused, format!("{shown}: {error}"), fix))
        }
    }
}
