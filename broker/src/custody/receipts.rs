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
        let signer = self.signer().await?;
        let signed = signer.sign(&receipt.to_string()).map_err(|error| failed(&error))?;
        Ok((signed, signer.verifier()))
    }

    /// Whoever signs receipts. `init` makes the key; in a database from before there were receipts
    /// it is made when it is first needed. Of two brokers that make one at once the second finds
    /// the first one's.
    async fn signer(&self) -> Result<NoteSigner, CustodyError> {
        let store = &self.shared.store;
        let keyring = &self.shared.keyring;
        let name = format!("{}/receipts", self.authority().domain());
        for _ in 0..2 {
            if let Some(sealed) = store.vault(RECEIPTS).await? {
                let key = keyring.open_blob(RECEIPTS, &sealed)?;
                return NoteSigner::new(&name, &key).map_err(|error| failed(&error));
            }
            let key = NoteSigner::generate().map_err(|error| failed(&error))?;
            store.add_vault(RECEIPTS, &keyring.seal_blob(RECEIPTS, &key)?).await?;
        }
        Err(CustodyError::Internal("the key of receipts was not kept".to_owned()))
    }
}

fn failed(error: &dyn std::fmt::Display) -> CustodyError {
    CustodyError::Internal(format!("signing a receipt: {error}"))
}

/// Name of the sealed key in the vault.
pub(crate) const RECEIPTS: &str = "receipts";

#[cfg(test)]
mod tests;
