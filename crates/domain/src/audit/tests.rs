use super::*;

fn entry() -> Entry {
    Entry {
        lane: BrokerId(Uuid::from_u128(7)),
        seq: 3,
        at: Timestamp::from_micros(1_700_000_000_000_000),
        revision: Revision(9),
        authority_mac: [5; 32],
        event: Event {
            environment: "default".into(),
            actor: "admin:ann".into(),
            action: "secret.put",
            object_kind: "secret",
            object: "stripe-api-key".into(),
            object_id: Uuid::from_u128(8),
            version: 2,
            decision: Decision::Allowed,
            reason: String::new(),
            peer: "127.0.0.1:9".into(),
            request_id: "r".into(),
            recipients: vec![Recipient {
                agent: AgentId(Uuid::from_u128(1)),
                name: "a".into(),
                instance: InstanceId(Uuid::from_u128(2)),
            }],
        },
    }
}

#[test]
fn an_entry_comes_back_as_it_was_written() {
    let entry = entry();
    let read = DecodedEntry::decode(&entry.encode()).unwrap();
    assert_eq!((read.seq, read.at, read.revision), (entry.seq, entry.at, entry.revision));
    assert_eq!(read.recipients, entry.event.recipients);
    assert_eq!((read.action.as_str(), read.version), ("secret.put", 2));
}

#[test]
fn nothing_but_an_entry_is_read() {
    let bytes = entry().encode();
    for length in 0..bytes.len() {
        DecodedEntry::decode(&bytes[..length]).unwrap_err();
    }
    let mut longer = bytes.clone();
    longer.push(0);
    DecodedEntry::decode(&longer).unwrap_err();
    let mut other = bytes;
    other[0] = 2;
    DecodedEntry::decode(&other).unwrap_err();
}

#[test]
fn fields_cannot_slide_into_one_another() {
    let mut one = entry();
    one.event.object = "ab".into();
    one.event.actor = "c".into();
    let mut other = entry();
    other.event.object = "a".into();
    other.event.actor = "bc".into();
    assert_ne!(one.encode(), other.encode());
}
