use super::*;
use secretref_domain::{
    id::RotationId,
    name::{EnvironmentName, SecretName},
};
use uuid::Uuid;

fn task(value: Vec<u8>) -> Task {
    Task {
        rotation: RotationId(Uuid::nil()),
        environment: EnvironmentName::parse("production").unwrap(),
        reference: SecretName::parse("stripe").unwrap(),
        old: Credential { value: Arc::new(SecretValue::new(value).unwrap()), handle: None },
    }
}

#[test]
fn a_request_of_the_longest_values_has_room_for_all_of_it() {
    let long = task(vec![1; 64 * 1024]);
    let own = OwnSecrets::from([("admin".to_owned(), Arc::clone(&long.old.value))]);
    let bytes = request(&long, Verb::Set, Some(&long.old), &own);
    let read: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(read["new"]["value"].as_str().map(str::len), Some(64 * 1024));
    let most = 3 * 64 * 1024 * ESCAPED_BYTES_MAX;
    assert!(bytes.len() > most, "it is not escaped");
    // One that grew by itself would have twice the room.
    assert!(bytes.capacity() <= most + ROOM_BYTES, "it grew");
}

#[test]
fn a_message_is_one_short_line_without_a_secret() {
    let unsaid = Unsaid::of(&task(b"hunter2\n".to_vec()), None, &OwnSecrets::new());
    assert_eq!(unsaid.cleaned("no\nsuch\u{1b} user"), "nosuch user");
    assert_eq!(unsaid.cleaned(&"x".repeat(1_000)).len(), MESSAGE_CHARS_MAX);
    for told in ["it is hunter2", "aHVudGVyMgo=", "aHVudGVyMgo"] {
        assert!(unsaid.cleaned(told).contains("is not shown"), "{told}");
    }
}
