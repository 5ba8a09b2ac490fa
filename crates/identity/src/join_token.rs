//! The text that lets a sidecar in once. Broker and sidecar both read it; only the broker makes it.

use crate::certificate::sha256;
use zeroize::Zeroizing;

/// What every join token starts with, so that scanners find one that lies about.
pub const PREFIX: &str = "srj_";

/// Characters of a join token.
pub const TOKEN_CHARS: usize = PREFIX.len() + ENCODED_CHARS;

/// A join token: a secret of 256 bits, and the fingerprint of the root that its holder may trust
/// on the first connection. It cannot be printed, cloned or compared, and is overwritten when
/// dropped.
///
/// ```text
/// srj_ base32(RFC 4648, lower case, no padding)
///      ┌─────────┬────────────┬─────────────────────────┬──────────────────────────────────┐
///      │ 1 = v.1 │ secret 32  │ SHA-256 of root SPKI 32 │ first 4 of SHA-256 of the before │
///      └─────────┴────────────┴─────────────────────────┴──────────────────────────────────┘
/// ```
/// ```compile_fail
/// let token = secretref_identity::join_token::JoinToken::new([7; 32].into(), [9; 32]);
/// println!("{token:?}");
/// ```
pub struct JoinToken {
    secret: Zeroizing<[u8; 32]>,
    fingerprint: [u8; 32],
}

/// Why a text is no join token. Nothing of the text is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It starts with something else.
    #[error("a join token starts with {PREFIX}; this text does not")]
    Prefix,
    /// It is too short or too long, as when half of it was copied.
    #[error("a join token has {TOKEN_CHARS} characters; this one has {0}. Copy all of it")]
    Length(usize),
    /// It has a character that no token has.
    #[error(
        "character {at} of the join token is not one of a-z and 2-7; a token has neither upper \
         case nor white space"
    )]
    Character {
        /// Which, counted from 1.
        at: usize,
    },
    /// It was mistyped or cut.
    #[error("the join token's checksum does not fit; it was changed on its way")]
    Checksum,
    /// It was made by a broker of another time.
    #[error("the join token is of version {0}; this program reads version {VERSION}")]
    Version(u8),
}

impl JoinToken {
    /// A token of this secret, for an authority whose root key has this fingerprint (SHA-256 of
    /// its subject public key info). The secret has to come from a cryptographic random source.
    #[must_use]
    pub fn new(secret: Zeroizing<[u8; 32]>, fingerprint: [u8; 32]) -> Self {
        Self { secret, fingerprint }
    }

    /// Reads a token. There is one spelling: no white space, no upper case, no padding.
    ///
    /// # Errors
    /// [`TokenError`], which quotes nothing of the text.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let encoded = text.strip_prefix(PREFIX).ok_or(TokenError::Prefix)?;
        let chars = text.chars().count();
        if chars != TOKEN_CHARS {
            return Err(TokenError::Length(chars));
        }
        let bytes = decode(encoded)?;
        let (body, checksum) = bytes.split_at(BODY_BYTES);
        if checksum != &sha256(body)[..CHECKSUM_BYTES] {
            return Err(TokenError::Checksum);
        }
        if body[0] != VERSION {
            return Err(TokenError::Version(body[0]));
        }
        let mut token = Self { secret: Zeroizing::new([0; 32]), fingerprint: [0; 32] };
        token.secret.copy_from_slice(&body[1..33]);
        token.fingerprint.copy_from_slice(&body[33..]);
        Ok(token)
    }

    /// The text. Every call is a place where the token could leak.
    #[must_use]
    pub fn expose(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0; TOKEN_BYTES]);
        bytes[0] = VERSION;
        bytes[1..33].copy_from_slice(&*self.secret);
        bytes[33..BODY_BYTES].copy_from_slice(&self.fingerprint);
        let sum = sha256(&bytes[..BODY_BYTES]);
        bytes[BODY_BYTES..].copy_from_slice(&sum[..CHECKSUM_BYTES]);
        encode(&bytes)
    }

    /// What the broker keeps of a token: SHA-256 over a label and the secret. The secret has 256
    /// random bits, so a plain hash cannot be searched, and finding a row by it compares nothing
    /// that is worth timing.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        let mut labelled = Zeroizing::new([0; HASH_LABEL.len() + 32]);
        labelled[..HASH_LABEL.len()].copy_from_slice(HASH_LABEL);
        labelled[HASH_LABEL.len()..].copy_from_slice(&*self.secret);
        sha256(&*labelled)
    }

    /// SHA-256 of the root's subject public key info: the only authority that the holder of this
    /// token may join.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }
}

/// RFC 4648, section 6, in lower case and without padding. The last character carries two bits
/// and three zeros.
fn encode(bytes: &[u8; TOKEN_BYTES]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(TOKEN_CHARS));
    text.push_str(PREFIX);
    let (mut window, mut bits) = (0_u16, 0);
    for byte in bytes {
        window = window << 8 | u16::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(ALPHABET[usize::from(window >> bits) & 31]));
        }
    }
    text.push(char::from(ALPHABET[usize::from(window << (5 - bits)) & 31]));
    text
}

fn decode(encoded: &str) -> Result<Zeroizing<[u8; TOKEN_BYTES]>, TokenError> {
    let mut bytes = Zeroizing::new([0; TOKEN_BYTES]);
    let (mut window, mut bits, mut filled) = (0_u16, 0, 0);
    for (at, char) in encoded.chars().enumerate() {
        let value = value(char).ok_or(TokenError::Character { at: PREFIX.len() + at + 1 })?;
        window = window << 5 | value;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes[filled] = (window >> bits & 0xff) as u8;
            filled += 1;
        }
    }
    // Whatever stands in the bits that say nothing would be a second spelling.
    if window & ((1 << bits) - 1) != 0 {
        return Err(TokenError::Checksum);
    }
    Ok(bytes)
}

fn value(char: char) -> Option<u16> {
    match char {
        'a'..='z' => Some(char as u16 - 'a' as u16),
        '2'..='7' => Some(char as u16 - '2' as u16 + 26),
        _ => None,
    }
}

const VERSION: u8 = 1;
const BODY_BYTES: usize = 1 + 32 + 32;
const CHECKSUM_BYTES: usize = 4;
const TOKEN_BYTES: usize = BODY_BYTES + CHECKSUM_BYTES;
const ENCODED_CHARS: usize = (TOKEN_BYTES * 8).div_ceil(5);
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const HASH_LABEL: &[u8] = b"secretref join token v1\0";

#[cfg(test)]
mod tests;
