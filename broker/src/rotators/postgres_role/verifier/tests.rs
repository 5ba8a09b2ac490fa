use super::*;

/// The exchange of RFC 7677, section 3, whose password is `pencil`.
const SALT: &str = "W22ZaJ0SNY7soEsUEjb6gQ==";
const AUTH_MESSAGE: &str = "n=user,r=rOprNGfwEbeRWgbNEkqO,\
    r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
    c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
const CLIENT_PROOF: &str = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const SERVER_SIGNATURE: &str = "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

#[test]
fn both_ends_of_the_exchange_of_rfc_7677_are_proven_by_it() {
    let verifier = with_salt("pencil", &BASE64_STANDARD.decode(SALT).unwrap());
    let (head, keys) = verifier.rsplit_once('$').unwrap();
    assert_eq!(head, format!("SCRAM-SHA-256$4096:{SALT}"));
    let (stored, server) = keys.split_once(':').unwrap();
    let [stored, server] = [stored, server].map(|key| BASE64_STANDARD.decode(key).unwrap());
    let sign =
        |key: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), AUTH_MESSAGE.as_bytes());
    assert_eq!(BASE64_STANDARD.encode(sign(&server)), SERVER_SIGNATURE);
    // The proof is the client's key, hidden by its signature; and the stored key is its digest.
    let proof = BASE64_STANDARD.decode(CLIENT_PROOF).unwrap();
    let client: Vec<u8> = proof.iter().zip(sign(&stored).as_ref()).map(|(a, b)| a ^ b).collect();
    assert_eq!(digest::digest(&digest::SHA256, &client).as_ref(), stored);
}

#[test]
fn no_salt_is_used_twice() {
    assert_ne!(of("pencil").as_str(), of("pencil").as_str());
}
