//! Receipts of rotations, signed by a key that is used for nothing else.

use super::{Custody, CustodyError, plan::event};
use secretref_domain::{caller::Caller, id::RotationId, policy::Action, rotation::Receipt};
use secretref_identity::note::{NoteSigner, NoteVerifier};

impl Custody {
    /// The signed receipt of a rotation, and the key that it is verified by.
    ///
    /// # Errors
    /// [`CustodyError::NotFound`] where there is no such rotation, a precondition where it is not
    /// finished; a denial.
    pub async fn receipt(
        &self,
        caller: &Caller,
        id: RotationId,
    ) -> Result<(String, NoteVerifier), CustodyError> {
        self.permit(caller, Action::MetadataRead, || event(caller, "rotation.receipt")).await?;
        let rotation = self.rotation(id).ok_or_else(|| CustodyError::NotFound {
            kind: "rotation",
            name: id.to_string(),
            fix: "secretref rotate history".to_owned(),
        })?;
        let receipt = Receipt::of(&rotation).ok_or_else(|| CustodyError::Precondition {
            code: "NOT_FINISHED",
            message: format!("rotation {id} is {}, and has no receipt", rotation.phase.as_str()),
            fix: format!("secretref rotate status {}", rotation.reference),
        })?;
        let signer = self.signer(RECEIPTS, "receipts").await?;
        let signed = signer.sign(&receipt.to_string()).map_err(|error| failed(&error))?;
        Ok((signed, signer.verifier()))
    }

    /// Whoever signs by a key of the vault, under the trust domain's name and another. `init` makes
    /// the key; in a database from before there was one it is made when it is first needed. Of two
    /// brokers that make one at once the second finds the first one's.
    pub(super) async fn signer(
        &self,
        blob: &'static str,
        name: &str,
    ) -> Result<NoteSigner, CustodyError> {
        let store = &self.shared.store;
        let keyring = &self.shared.keyring();
        let name = format!("{}/{name}", self.authority().domain());
        for _ in 0..2 {
            if let Some(sealed) = store.vault(blob).await? {
                let key = keyring.open_blob(blob, &sealed)?;
                return NoteSigner::new(&name, &key).map_err(|error| failed(&error));
            }
            let key = NoteSigner::generate().map_err(|error| failed(&error))?;
            store.add_vault(blob, &keyring.seal_blob(blob, &key)?).await?;
        }
        Err(CustodyError::Internal(format!("the key of {blob} was not kept")))
    }
}

fn failed(error: &dyn std::fmt::Display) -> CustodyError {
    CustodyError::Internal(format!("signing: {error}"))
}

/// Name of the sealed key in the vault.
pub(crate) const RECEIPTS: &str = "receipts";

#[cfg(test)]
mod tests;
