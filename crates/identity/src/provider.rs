//! The cryptography under every connection.

use rustls::{
    CipherSuite,
    crypto::{CryptoProvider, aws_lc_rs},
};
use std::sync::Arc;

/// The one protocol spoken over our connections: HTTP/2.
pub const ALPN: &[u8] = b"h2";

/// AWS-LC with the suites of TLS 1.3 only, X25519MLKEM768 first. Every configuration of this crate
/// uses it, whatever the process default is.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.retain(|suite| {
        matches!(
            suite.suite(),
            CipherSuite::TLS13_AES_256_GCM_SHA384
                | CipherSuite::TLS13_AES_128_GCM_SHA256
                | CipherSuite::TLS13_CHACHA20_POLY1305_SHA256
        )
    });
    provider.kx_groups = vec![
        aws_lc_rs::kx_group::X25519MLKEM768,
        aws_lc_rs::kx_group::X25519,
        aws_lc_rs::kx_group::SECP256R1,
    ];
    Arc::new(provider)
}

/// Makes AWS-LC the process default, for libraries that ask for one (an HTTP client, a database
/// driver). They may meet servers that speak TLS 1.2 only, so this default is not narrowed; our
/// own configurations never use it. Call it first thing in `main`; a second call changes nothing.
pub fn install() {
    // The error says that a default is there already, which is all that is wanted.
    drop(aws_lc_rs::default_provider().install_default());
}

#[cfg(test)]
mod tests;
