use super::*;
use crate::print::Printer;

fn instance(connected: bool, version: &str) -> v1::Instance {
    v1::Instance { connected, client_version: version.to_owned(), ..v1::Instance::default() }
}

fn reference(name: &str, state: RefState, applied: i64, version: i64) -> v1::RefStatus {
    v1::RefStatus {
        secret_ref: name.to_owned(),
        state: state.into(),
        applied_version: applied,
        version,
        ..v1::RefStatus::default()
    }
}

fn agent(name: &str, instances: Vec<v1::Instance>, refs: Vec<v1::RefStatus>) -> v1::AgentStatus {
    v1::AgentStatus {
        agent: name.to_owned(),
        environment: "production".to_owned(),
        state: AgentState::Active.into(),
        refs,
        instances,
    }
}

fn fleet() -> Fleet {
    let well = reference("stripe", RefState::Injected, 3, 3);
    let late = reference("stripe", RefState::Pending, 2, 3);
    let mut revoked = agent("gone", vec![instance(true, "0.0.1")], vec![late.clone()]);
    revoked.state = AgentState::Revoked.into();
    let proof =
        |agent: &str| v1::RotationProof { agent: agent.to_owned(), ..v1::RotationProof::default() };
    let rotation = v1::Rotation {
        secret_ref: "stripe".to_owned(),
        environment: "production".to_owned(),
        old_version: 2,
        new_version: 3,
        phase: v1::RotationPhase::Pushing.into(),
        agents: 3,
        proofs: vec![proof("one"), proof("one"), proof("two")],
        ..v1::Rotation::default()
    };
    let condition = v1::Condition {
        kind: "consumer-lagging".to_owned(),
        severity: "warning".to_owned(),
        secret_ref: "stripe".to_owned(),
        reason: "it is \x1b[31mbehind".to_owned(),
        ..v1::Condition::default()
    };
    Fleet {
        agents: vec![
            agent("one", vec![instance(true, "0.1.0"), instance(true, "0.1.0")], vec![well]),
            agent("away", vec![instance(false, "")], vec![late.clone()]),
            agent("two", vec![instance(true, "0.0.9")], vec![late]),
            revoked,
        ],
        rotations: vec![rotation],
        conditions: vec![condition],
        more: 4,
    }
}

#[test]
fn what_is_counted_is_what_may_come_in() {
    let fleet = fleet();
    let wanted = Document {
        agents: 3,
        agents_connected: 2,
        instances: 4,
        instances_connected: 3,
        sidecars: BTreeMap::from([("0.0.9", 1), ("0.1.0", 2)]),
        refs: 3,
        refs_in_place: 1,
        refs_behind: 1,
        rotations: 1,
        conditions: 5,
        errors: 0,
    };
    assert_eq!(fleet.document(), wanted);
}

#[test]
fn who_is_behind_comes_first_and_nothing_draws_by_itself() {
    let lines = fleet().lines(Printer::plain(), &Timestamp::default());
    let text = lines.join("\n");
    assert!(text.contains("agents 2 of 3 connected"), "{text}");
    assert!(text.contains("sidecars 0.0.9 × 1, 0.1.0 × 2"), "{text}");
    assert!(text.contains("v2 → v3") && text.contains("2 of 3 agents"), "{text}");
    assert!(text.contains("… and 4 more"), "{text}");
    assert!(!text.contains('\x1b') && !text.contains("gone"), "{text}");
    let place = |name: &str| lines.iter().position(|line| line.starts_with(name)).unwrap();
    assert!(place("two") < place("one") && place("two") < place("away"), "{text}");
    assert!(lines[place("two")].contains("stripe v2 → v3"), "{text}");
}
