//! What a Postgres keeps of a password: a SCRAM-SHA-256 verifier (RFC 5803, RFC 7677), made here,
//! so that the password is on no wire and in no log of the server.
//!
//! `SCRAM-SHA-256$4096:SALT$StoredKey:ServerKey`

use aws_lc_rs::{digest, hmac, pbkdf2, rand};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use std::num::NonZeroU32;
use zeroize::Zeroizing;

/// The verifier of a password, with a salt of its own. A password that is not ASCII would have to
/// be prepared as SASL asks, and one made here never is; so such a one is given as it is, and the
/// server makes its own verifier.
pub(super) fn of(password: &str) -> Zeroizing<String> {
    let mut salt = [0; SALT_BYTES];
    if !password.is_ascii() || rand::fill(&mut salt).is_err() {
        return Zeroizing::new(password.to_owned());
    }
    with_salt(password, &salt)
}

fn with_salt(password: &str, salt: &[u8]) -> Zeroizing<String> {
    let mut salted = Zeroizing::new([0; 32]);
    let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
    pbkdf2::derive(algorithm, ITERATIONS, salt, password.as_bytes(), salted.as_mut());
    let key = hmac::Key::new(hmac::HMAC_SHA256, salted.as_ref());
    let client = hmac::sign(&key, b"Client Key");
    let stored = digest::digest(&digest::SHA256, client.as_ref());
    let server = hmac::sign(&key, b"Server Key");
    let [salt, stored, server] =
        [salt, stored.as_ref(), server.as_ref()].map(|part| BASE64_STANDARD.encode(part));
    Zeroizing::new(format!("SCRAM-SHA-256${ITERATIONS}:{salt}${stored}:{server}"))
}

/// As Postgres's own; a password of ours has 190 bits, so that more would gain nothing.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(4096).unwrap();
const SALT_BYTES: usize = 16;

#[cfg(test)]
mod tests;
