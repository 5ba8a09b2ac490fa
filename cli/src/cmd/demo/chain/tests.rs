use super::*;
use secretref_domain::{
    audit::{Entry, Event},
    clock::Timestamp,
    id::BrokerId,
    version::Revision,
};
use uuid::Uuid;

fn entry(lane: u128, seq: i64, previous: [u8; 32]) -> v1::AuditEntry {
    let lane = BrokerId(Uuid::from_u128(lane));
    let event = Event {
        environment: "production".to_owned(),
        actor: "admin:root".to_owned(),
        action: "secret.put",
        object_kind: "secret",
        object: format!("key-{seq}"),
        object_id: Uuid::nil(),
        version: seq,
        decision: Decision::Allowed,
        reason: String::new(),
        peer: String::new(),
        request_id: String::new(),
        recipients: Vec::new(),
    };
    let at = Timestamp::from_micros(seq);
    let entry = Entry { lane, seq, at, revision: Revision(seq), authority_mac: [0; 32], event };
    let canonical = entry.encode();
    v1::AuditEntry {
        lane: lane.to_string(),
        seq,
        actor: entry.event.actor,
        action: entry.event.action.to_owned(),
        object_kind: entry.event.object_kind.to_owned(),
        object: entry.event.object,
        version: seq,
        revision: seq,
        decision: "allowed".to_owned(),
        hash: hash(&previous, &canonical).to_vec(),
        canonical,
        ..v1::AuditEntry::default()
    }
}

fn lane(lane: u128, count: i64) -> Vec<v1::AuditEntry> {
    let mut previous = [0; 32];
    let mut entries = Vec::new();
    for seq in 1..=count {
        let next = entry(lane, seq, previous);
        previous.copy_from_slice(&next.hash);
        entries.push(next);
    }
    entries
}

#[test]
fn sound_lanes_pass_in_any_order_of_entries() {
    let mut entries = lane(1, 3);
    entries.extend(lane(2, 2));
    entries.reverse();
    assert_eq!(check(&entries), Ok(Checked { entries: 5, lanes: 2 }));
    assert_eq!(check(&[]), Ok(Checked { entries: 0, lanes: 0 }));
}

#[test]
fn every_kind_of_tampering_is_found() {
    type Tamper = fn(&mut Vec<v1::AuditEntry>);
    let table: [(&str, Tamper); 8] = [
        ("entry 1 is missing", |entries| drop(entries.remove(0))),
        ("entry 2 is missing", |entries| drop(entries.remove(1))),
        ("entry 2 is missing", |entries| entries.insert(1, entries[0].clone())),
        ("the hash of its content", |entries| {
            let last = entries[1].canonical.len() - 1;
            entries[1].canonical[last] ^= 1;
        }),
        ("entry 2 does not have", |entries| entries[1] = entry(1, 2, [9; 32])),
        ("the hash of its content", |entries| entries[2].hash[0] ^= 1),
        ("something else", |entries| "admin:mallory".clone_into(&mut entries[1].actor)),
        ("something else", |entries| "denied".clone_into(&mut entries[1].decision)),
    ];
    for (why, tamper) in table {
        let mut entries = lane(1, 3);
        tamper(&mut entries);
        let found = check(&entries).unwrap_err();
        assert!(found.contains(why), "{found}, not {why}");
    }
}
