use super::*;
use crate::vector;
use uuid::Uuid;

#[test]
fn the_aad_is_the_known_answer() {
    let context = vector::context();
    assert_eq!(context.sealing_aad().unwrap(), vector::unhex(vector::SEALING_AAD));
    let wrapping = context.wrapping_aad(vector::kek_id()).unwrap();
    assert_eq!(wrapping, vector::unhex(vector::WRAPPING_AAD));
}

#[test]
fn a_part_that_would_bind_nothing_is_refused_by_name() {
    let nil = SecretId(Uuid::nil());
    let context = Context::secret_version(&vector::environment(), nil, Version::FIRST);
    let error = EnvelopeError::EmptyContext { part: "secret id" };
    assert_eq!(context.sealing_aad(), Err(error));
    assert_eq!(context.wrapping_aad(vector::kek_id()), Err(error));

    let error = EnvelopeError::EmptyContext { part: "purpose" };
    assert_eq!(Context::key("").sealing_aad(), Err(error));
    assert_eq!(Context::blob("").sealing_aad(), Err(error));

    let error = EnvelopeError::EmptyContext { part: "root key id" };
    assert_eq!(vector::context().wrapping_aad(KekId(Uuid::nil())), Err(error));
}

#[test]
fn no_two_places_have_the_same_aad() {
    let mut places = vector::other_contexts();
    places.push(vector::context());
    let mut aads: Vec<_> = places.iter().map(|place| place.sealing_aad().unwrap()).collect();
    aads.extend(places.iter().map(|place| place.wrapping_aad(vector::kek_id()).unwrap()));
    let count = aads.len();
    aads.sort();
    aads.dedup();
    assert_eq!(aads.len(), count);
}
