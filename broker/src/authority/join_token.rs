//! Makes join tokens. Their text is `secretref_identity::join_token`, which sidecars read too.

use super::AuthorityError;
use aws_lc_rs::rand;
use secretref_identity::join_token::JoinToken;
use zeroize::Zeroizing;

/// Makes a token with a new secret of 256 bits, for an authority whose root key has this
/// [`fingerprint`](super::Authority::fingerprint). Store its hash, hand out its text, forget it.
///
/// # Errors
/// [`AuthorityError::Randomness`] where the system has none.
pub fn mint(fingerprint: [u8; 32]) -> Result<JoinToken, AuthorityError> {
    let mut secret = Zeroizing::new([0; 32]);
    rand::fill(&mut *secret).map_err(|_| AuthorityError::Randomness)?;
    Ok(JoinToken::new(secret, fingerprint))
}
