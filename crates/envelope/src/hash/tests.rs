use super::*;
use crate::vector;

#[test]
fn the_chain_is_the_known_answer() {
    assert_eq!(chain_hash(&[0; 32], b"first entry").to_vec(), vector::unhex(vector::CHAIN));
}

#[test]
fn the_hash_is_that_of_fips_180() {
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(sha256(&[b"a", b"", b"bc"]).to_vec(), vector::unhex(abc));
}
