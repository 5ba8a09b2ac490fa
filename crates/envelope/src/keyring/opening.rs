//! Opening and rewrapping what a keyring sealed.

use super::{
    Context, DataKey, EnvelopeError, EnvironmentName, Keyring, Sealed, SealedVersion, SecretId,
    SecretValue, Version, WrappedKey, Zeroizing,
};

impl Keyring {
    /// Opens the value of one version of a secret.
    ///
    /// # Errors
    /// [`EnvelopeError::WrongKey`] where the keyring has not the root key that it is wrapped
    /// under; [`EnvelopeError::Refused`] where it was changed or moved here from another place;
    /// [`EnvelopeError::Malformed`].
    pub fn open_value(
        &self,
        environment: &EnvironmentName,
        secret: SecretId,
        version: Version,
        stored: &SealedVersion,
    ) -> Result<SecretValue, EnvelopeError> {
        let context = Context::secret_version(environment, secret, version);
        let mut plaintext = self.open_parts(&stored.wrapped, &stored.sealed, &context)?;
        // The buffer itself becomes the value: no copy.
        SecretValue::new(std::mem::take(&mut *plaintext)).map_err(|_| EnvelopeError::Malformed {
            what: "sealed value",
            why: "it opens to no byte, and a secret has at least one",
        })
    }

    /// Opens what [`Keyring::seal_blob`] sealed for this purpose.
    ///
    /// # Errors
    /// As [`Keyring::open_value`].
    pub fn open_blob(
        &self,
        purpose: &'static str,
        blob: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, EnvelopeError> {
        let (wrapped, sealed) = split_blob(blob)?;
        self.open_parts(wrapped, sealed, &Context::blob(purpose))
    }

    /// Wraps the data key of a version under the active root key; the value stays as it is.
    /// Returns the new blob, or `None` where the active root key wraps it already, so that a
    /// rewrap that was cut short is simply run again. In both cases the data key was opened.
    ///
    /// # Errors
    /// As [`Keyring::open_value`].
    pub fn rewrap(
        &self,
        environment: &EnvironmentName,
        secret: SecretId,
        version: Version,
        wrapped: &[u8],
    ) -> Result<Option<Vec<u8>>, EnvelopeError> {
        self.rewrap_key(wrapped, &Context::secret_version(environment, secret, version))
    }

    /// Wraps the data key of a blob under the active root key; the sealed part stays as it is.
    /// Returns the whole new blob, or `None` as [`Keyring::rewrap`] does.
    ///
    /// # Errors
    /// As [`Keyring::open_value`].
    pub fn rewrap_blob(
        &self,
        purpose: &'static str,
        blob: &[u8],
    ) -> Result<Option<Vec<u8>>, EnvelopeError> {
        let (wrapped, sealed) = split_blob(blob)?;
        let rewrapped = self.rewrap_key(wrapped, &Context::blob(purpose))?;
        Ok(rewrapped.map(|wrapped| [&wrapped, sealed].concat()))
    }

    fn rewrap_key(
        &self,
        wrapped: &[u8],
        context: &Context,
    ) -> Result<Option<Vec<u8>>, EnvelopeError> {
        let wrapped = WrappedKey::from_bytes(wrapped)?;
        let key = self.unwrap_key(&wrapped, context)?;
        if wrapped.kek_id == self.active.id() {
            return Ok(None);
        }
        Ok(Some(self.active.wrap(&key, context)?.to_bytes()))
    }

    fn open_parts(
        &self,
        wrapped: &[u8],
        sealed: &[u8],
        context: &Context,
    ) -> Result<Zeroizing<Vec<u8>>, EnvelopeError> {
        // Both are read before any key is used.
        let (wrapped, sealed) = (WrappedKey::from_bytes(wrapped)?, Sealed::from_bytes(sealed)?);
        self.unwrap_key(&wrapped, context)?.open(&sealed, context)
    }

    fn unwrap_key(
        &self,
        wrapped: &WrappedKey,
        context: &Context,
    ) -> Result<DataKey, EnvelopeError> {
        let wanted = wrapped.kek_id;
        let root = self.root(wanted).ok_or(EnvelopeError::WrongKey { wanted })?;
        root.unwrap_key(wrapped, context)
    }
}

fn split_blob(blob: &[u8]) -> Result<(&[u8], &[u8]), EnvelopeError> {
    blob.split_at_checked(WrappedKey::BYTES).ok_or(EnvelopeError::Malformed {
        what: "sealed blob",
        why: "it is shorter than its wrapped key",
    })
}
