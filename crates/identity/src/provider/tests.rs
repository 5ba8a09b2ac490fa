use super::*;
use rustls::NamedGroup;

#[test]
fn the_hybrid_comes_first_and_every_suite_is_of_tls_1_3() {
    let provider = provider();
    assert_eq!(provider.kx_groups[0].name(), NamedGroup::X25519MLKEM768);
    assert_eq!(provider.cipher_suites.len(), 3);
    assert!(provider.cipher_suites.iter().all(|suite| suite.tls13().is_some()));
}
