//! Signed notes: a text that people read, with signatures under it that programs check
//! (<https://c2sp.org/signed-note>).
//!
//! ```text
//! secretref rotation receipt v1
//! …
//!
//! — example.org/receipts qKjw…
//! ```
//! Above the blank line is the text; each line below it is a key's name and, in base64, the first
//! four bytes of the key's hash and an Ed25519 signature of the text.

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use std::fmt;
use zeroize::Zeroizing;

/// Why a note is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// It is no note.
    #[error("it is no signed note: {0}")]
    Malformed(&'static str),
    /// None of its signatures is by the key.
    #[error("it is not signed by this key")]
    Unsigned,
    /// The signature is not of this text: either was changed.
    #[error("its signature is not of this text: it was altered")]
    Altered,
    /// The key is none.
    #[error("the key is none: a key is NAME+8 hexadecimal digits+base64")]
    Key,
}

/// Signs notes.
pub struct NoteSigner {
    name: String,
    key: Ed25519KeyPair,
}

/// Verifies notes of one signer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteVerifier {
    name: String,
    key: [u8; 32],
}

impl NoteSigner {
    /// A new key, as PKCS#8. It is the only copy.
    ///
    /// # Errors
    /// [`NoteError::Key`] where the system has no randomness.
    pub fn generate() -> Result<Zeroizing<Vec<u8>>, NoteError> {
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
        Ok(Zeroizing::new(key.map_err(|_| NoteError::Key)?.as_ref().to_vec()))
    }

    /// A signer of a name with no space and no `+` in it, with its key.
    ///
    /// # Errors
    /// [`NoteError::Key`] where either is none.
    pub fn new(name: &str, pkcs8: &[u8]) -> Result<Self, NoteError> {
        let key = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|_| NoteError::Key)?;
        if !is_name(name) {
            return Err(NoteError::Key);
        }
        Ok(Self { name: name.to_owned(), key })
    }

    /// What its notes are verified by.
    #[must_use]
    pub fn verifier(&self) -> NoteVerifier {
        let mut key = [0; 32];
        key.copy_from_slice(self.key.public_key().as_ref());
        NoteVerifier { name: self.name.clone(), key }
    }

    /// A text with a signature under it. A text ends with a line end and has no empty line.
    ///
    /// # Errors
    /// [`NoteError::Malformed`] where it is none.
    pub fn sign(&self, text: &str) -> Result<String, NoteError> {
        check(text)?;
        let signature = self.key.sign(text.as_bytes());
        let id = self.verifier().id();
        let signed = BASE64_STANDARD.encode([&id[..], signature.as_ref()].concat());
        Ok(format!("{text}\n{MARK}{} {signed}\n", self.name))
    }
}

impl NoteVerifier {
    /// Takes a verifier's key, as [`NoteVerifier`] prints it.
    ///
    /// # Errors
    /// [`NoteError::Key`] where it is none.
    pub fn parse(given: &str) -> Result<Self, NoteError> {
        let mut parts = given.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::Key);
        };
        let key = BASE64_STANDARD.decode(key).map_err(|_| NoteError::Key)?;
        let (kind, key) = key.split_first().ok_or(NoteError::Key)?;
        let key = <[u8; 32]>::try_from(key).map_err(|_| NoteError::Key)?;
        let found = Self { name: name.to_owned(), key };
        let fits = *kind == ED25519_KIND && is_name(name) && found.id_text() == id;
        if fits { Ok(found) } else { Err(NoteError::Key) }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text of a note, where it is signed by this key.
    ///
    /// # Errors
    /// [`NoteError`].
    pub fn verify<'n>(&self, note: &'n str) -> Result<&'n str, NoteError> {
        if note.len() > NOTE_BYTES_MAX {
            return Err(NoteError::Malformed("it is longer than 1 MiB"));
        }
        let split = note.rfind("\n\n").ok_or(NoteError::Malformed("nothing is under its text"))?;
        let (text, signatures) = (&note[..=split], &note[split + 2..]);
        check(text)?;
        let lines = signatures.strip_suffix('\n');
        let lines = lines.ok_or(NoteError::Malformed("its last line does not end"))?;
        let mut found = None;
        for (number, line) in lines.split('\n').enumerate() {
            if number == SIGNATURES_MAX {
                return Err(NoteError::Malformed("it has more than 16 signatures"));
            }
            let line = line.strip_prefix(MARK).and_then(|line| line.split_once(' '));
            let (name, signed) = line.ok_or(NoteError::Malformed("a signature is none"))?;
            let signed = BASE64_STANDARD.decode(signed);
            let signed = signed.map_err(|_| NoteError::Malformed("a signature is no base64"))?;
            let (id, signature) =
                signed.split_at_checked(4).ok_or(NoteError::Malformed("a signature is short"))?;
            if name == self.name && id == self.id() {
                found = Some(signature.to_vec());
            }
        }
        let signature = found.ok_or(NoteError::Unsigned)?;
        let key = UnparsedPublicKey::new(&ED25519, &self.key);
        key.verify(text.as_bytes(), &signature).map_err(|_| NoteError::Altered)?;
        Ok(text)
    }

    /// As a function that opens notes, for whoever verifies many and knows nothing of keys.
    pub fn opener(&self) -> impl for<'n> Fn(&'n str) -> Result<&'n str, String> {
        |note| self.verify(note).map_err(|error| error.to_string())
    }

    /// The first four bytes of the hash of name and key.
    fn id(&self) -> [u8; 4] {
        let hashed = [self.name.as_bytes(), b"\n", &[ED25519_KIND], &self.key].concat();
        let hash = digest(&SHA256, &hashed);
        let mut id = [0; 4];
        id.copy_from_slice(&hash.as_ref()[..4]);
        id
    }

    fn id_text(&self) -> String {
        self.id().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Display for NoteVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = BASE64_STANDARD.encode([&[ED25519_KIND], &self.key[..]].concat());
        write!(f, "{}+{}+{key}", self.name, self.id_text())
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|it: char| it.is_whitespace() || it == '+')
}

fn check(text: &str) -> Result<(), NoteError> {
    match text {
        _ if !text.ends_with('\n') => Err(NoteError::Malformed("its text does not end a line")),
        _ if text.contains("\n\n") => Err(NoteError::Malformed("its text has an empty line")),
        _ if text.chars().any(|it| it.is_control() && it != '\n') => {
            Err(NoteError::Malformed("its text has a control character"))
        }
        _ => Ok(()),
    }
}

/// What begins a line with a signature: an em dash and a space.
const MARK: &str = "\u{2014} ";
const ED25519_KIND: u8 = 1;
const NOTE_BYTES_MAX: usize = 1 << 20;
const SIGNATURES_MAX: usize = 16;

#[cfg(test)]
mod tests;
