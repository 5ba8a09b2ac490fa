//! Agents and their names, tokens, instances with two certificate slots, administrators.

use super::*;
use crate::{
    limit::TOKEN_REPEAT_SECONDS_MAX,
    policy::{Role, Roles},
};

/// An agent with one instance whose certificate `a` ends at 1000.
fn enrolled() -> Log {
    let mut log = Log::default();
    log.agent(1, "a", AgentSpec::default());
    log.token(1, 1, 600, false);
    log.enrol(1, 1, 1, slot("a", 1000));
    log
}

fn renew(log: &mut Log, by: &str, certificate: CertificateSlot) {
    let (agent, instance, by) = (agent_id(1), instance_id(1), serial(by));
    log.write(Change::CertificateRenewed { agent, instance, by, certificate });
}

fn admits(log: &Log, given: &str, now: i64, recovering: bool) -> bool {
    let (agent, instance, serial) = (agent_id(1), instance_id(1), serial(given));
    log.ledger.admitted(agent, instance, &serial, at(now), recovering).is_some()
}

#[test]
fn a_certificate_admits_until_it_ends_and_renews_for_a_week_more() {
    let log = enrolled();
    assert!(admits(&log, "a", 999, false));
    assert!(!admits(&log, "a", 1000, false));
    assert!(admits(&log, "a", 1000, true));
    assert!(admits(&log, "a", 1000 + 7 * DAY - 1, true));
    assert!(!admits(&log, "a", 1000 + 7 * DAY, true));
    assert!(!admits(&log, "b", 0, true), "another certificate");
    let other = |agent, instance| {
        log.ledger
            .admitted(agent_id(agent), instance_id(instance), &serial("a"), at(0), true)
            .is_some()
    };
    assert!(!other(2, 1) && !other(1, 2), "another's agent or instance");
}

#[test]
fn a_lost_answer_to_a_renewal_costs_nothing() {
    let mut log = enrolled();
    renew(&mut log, "a", slot("b", 2000));
    assert!(admits(&log, "a", 500, false) && admits(&log, "b", 1999, false));
    assert!(!admits(&log, "a", 1999, false), "each slot has its own end");
    // The answer with `b` was lost: `a` renews again, and `b` is dead.
    renew(&mut log, "a", slot("c", 2500));
    assert!(admits(&log, "a", 500, false) && admits(&log, "c", 500, false));
    assert!(!admits(&log, "b", 500, false));
    // To renew with `c` proves that it arrived: `a` is dead.
    renew(&mut log, "c", slot("d", 3500));
    assert!(!admits(&log, "a", 500, true));
    assert!(admits(&log, "c", 500, false) && admits(&log, "d", 500, false));
    let instance = &log.ledger.agent(agent_id(1)).unwrap().instances[&instance_id(1)];
    assert_eq!(instance.current.serial, serial("c"));
    assert_eq!(instance.not_after(), at(3500));
}

#[test]
fn a_revoked_instance_is_out_and_its_sibling_stays() {
    let mut log = enrolled();
    log.token(2, 1, 600, false);
    log.enrol(2, 1, 2, slot("z", 1000));
    let (agent, instance) = (agent_id(1), instance_id(1));
    let touched = log.write(Change::InstanceRevoked { agent, instance });
    assert_eq!(touched.revoked_instances, BTreeSet::from([(agent, instance)]));
    assert_eq!(touched.revoked, agents(&[]));
    assert!(!admits(&log, "a", 500, true));
    let sibling = log.ledger.admitted(agent, instance_id(2), &serial("z"), at(0), false);
    assert!(sibling.is_some());
}

#[test]
fn a_revoked_agent_loses_instances_and_tokens_until_it_is_readmitted() {
    let mut log = enrolled();
    log.token(2, 1, 600, false);
    log.write(Change::AgentRevoked { agent: agent_id(1) });
    assert!(!admits(&log, "a", 0, true));
    assert!(log.ledger.token(&digest(2)).is_none());
    log.token(3, 1, 600, false);
    log.enrol(3, 1, 2, slot("b", 1000));
    let admits = |log: &Log, instance, given: &str| {
        let (agent, instance) = (agent_id(1), instance_id(instance));
        log.ledger.admitted(agent, instance, &serial(given), at(0), true).is_some()
    };
    assert!(!admits(&log, 2, "b"), "an ordinary token does not readmit");
    log.token(4, 1, 600, true);
    log.enrol(4, 1, 3, slot("c", 1000));
    assert!(admits(&log, 3, "c"));
    assert!(!admits(&log, 1, "a"), "what was revoked does not come back with it");
    assert!(log.ledger.agent(agent_id(1)).unwrap().active);
}

#[test]
fn a_quarantined_agent_is_out_until_it_is_released() {
    let mut log = enrolled();
    log.token(2, 1, 600, true);
    let agent = agent_id(1);
    let touched = log.write(Change::AgentQuarantined { agent });
    assert_eq!(touched.revoked, agents(&[1]));
    let found = log.ledger.agent(agent).unwrap();
    assert_eq!((found.active, found.quarantined_at), (false, Some(at(0))));
    assert!(!admits(&log, "a", 0, false) && !admits(&log, "a", 0, true));
    assert!(log.ledger.token(&digest(2)).is_none(), "an unused token is as good as before");
    let touched = log.write(Change::AgentReleased { agent });
    assert_eq!(touched.agents, agents(&[1]));
    assert_eq!(log.ledger.agent(agent).unwrap().quarantined_at, None);
    assert!(admits(&log, "a", 0, false));
}

#[test]
fn a_revocation_goes_before_a_release() {
    let mut log = enrolled();
    let agent = agent_id(1);
    log.write(Change::AgentQuarantined { agent });
    log.write(Change::AgentRevoked { agent });
    assert_eq!(log.ledger.agent(agent).unwrap().quarantined_at, None);
    log.write(Change::AgentReleased { agent });
    assert!(!log.ledger.agent(agent).unwrap().active);
    assert!(!admits(&log, "a", 0, true));
}

#[test]
fn who_is_readmitted_from_quarantine_begins_anew() {
    let mut log = enrolled();
    let agent = agent_id(1);
    log.write(Change::AgentQuarantined { agent });
    log.token(2, 1, 600, true);
    log.enrol(2, 1, 2, slot("b", 1000));
    let admits = |instance, given: &str| {
        let instance = instance_id(instance);
        log.ledger.admitted(agent, instance, &serial(given), at(0), true).is_some()
    };
    assert!(admits(2, "b"));
    assert!(!admits(1, "a"), "a certificate from before the quarantine is let in");
    let found = log.ledger.agent(agent).unwrap();
    assert_eq!((found.active, found.quarantined_at), (true, None));
}

#[test]
fn a_token_is_kept_while_it_can_matter() {
    let mut log = enrolled();
    let spent = log.ledger.token(&digest(1)).unwrap().spent.clone().unwrap();
    assert_eq!((spent.instance, spent.key, spent.at), (instance_id(1), digest(9), at(0)));
    log.now = TOKEN_REPEAT_SECONDS_MAX - 1;
    log.token(2, 1, 700, false);
    assert!(log.ledger.token(&digest(1)).is_some(), "it may still be repeated");
    log.now = TOKEN_REPEAT_SECONDS_MAX;
    log.token(3, 1, 700, false);
    assert!(log.ledger.token(&digest(1)).is_none());
    assert!(log.ledger.token(&digest(2)).is_some(), "unspent and unexpired");
    log.now = 700 + TOKEN_REPEAT_SECONDS_MAX;
    log.token(4, 1, 5000, false);
    assert!(log.ledger.token(&digest(2)).is_none());
    assert_eq!(log.ledger.tokens.len(), 1);
}

#[test]
fn instances_that_can_no_longer_renew_make_room() {
    let mut log = enrolled();
    log.now = 1000 + 7 * DAY - 1;
    log.token(2, 1, log.now + 600, false);
    log.enrol(2, 1, 2, slot("b", log.now + 1000));
    assert_eq!(log.ledger.agent(agent_id(1)).unwrap().instances.len(), 2);
    log.now += 1;
    log.token(3, 1, log.now + 600, false);
    log.enrol(3, 1, 3, slot("c", log.now + 1000));
    let instances = &log.ledger.agent(agent_id(1)).unwrap().instances;
    assert_eq!(instances.keys().copied().collect::<Vec<_>>(), [instance_id(2), instance_id(3)]);
}

#[test]
fn a_removed_agent_is_gone_and_its_name_free() {
    let mut log = enrolled();
    log.token(2, 1, 600, false);
    let touched = log.write(Change::AgentRemoved { agent: agent_id(1) });
    assert_eq!(touched.revoked, agents(&[1]));
    assert!(!admits(&log, "a", 0, true));
    assert!(log.ledger.agent_named(&env(), &name("a")).is_none());
    assert!(log.ledger.tokens.is_empty());
    log.agent(2, "a", AgentSpec::default());
    let found = log.ledger.agent_named(&env(), &name("a")).unwrap();
    assert_eq!((found.id, found.instances.len()), (agent_id(2), 0));
}

#[test]
fn an_agent_that_moves_leaves_its_old_place() {
    let mut log = Log::default();
    log.put(1, "s", 1);
    log.agent(1, "a", bound(&["s"]));
    log.token(1, 1, 600, false);
    log.enrol(1, 1, 1, slot("a", 1000));
    log.agent_in("other", 1, "a", bound(&["s"]));
    assert!(log.ledger.agent_named(&env(), &name("a")).is_none());
    let found = log.ledger.agent_named(&name("other"), &name("a")).unwrap();
    assert_eq!((found.id, found.environment.as_str()), (agent_id(1), "other"));
    assert_eq!(log.subscribers("s"), []);
    assert_eq!(log.desired(1).secrets, [], "it cannot take the old one's secrets with it");
    assert!(admits(&log, "a", 0, false), "it is the same agent");
}

#[test]
fn agents_are_listed_by_name() {
    let mut log = Log::default();
    for (id, called) in [(1, "c"), (2, "a"), (3, "b")] {
        log.agent(id, called, AgentSpec::default());
    }
    log.agent_in("other", 4, "a", AgentSpec::default());
    let after = |after: Option<&AgentName>| -> Vec<String> {
        log.ledger.agents_after(&env(), after).map(|it| it.name.to_string()).collect()
    };
    assert_eq!(after(None), ["a", "b", "c"]);
    assert_eq!(after(Some(&name("b"))), ["c"]);
    let fleet = |after: Option<(&str, &str)>| -> Vec<String> {
        let after = after.map(|(environment, agent)| (name(environment), name(agent)));
        let agents = log.ledger.fleet_after(after.as_ref());
        agents.map(|it| format!("{}/{}", it.environment, it.name)).collect()
    };
    let here = env();
    let all = [format!("{here}/a"), format!("{here}/b"), format!("{here}/c"), "other/a".into()];
    assert_eq!(fleet(None), all);
    assert_eq!(fleet(Some((here.as_str(), "b"))), all[2..]);
    assert_eq!(fleet(Some(("other", "a"))), [""; 0]);
}

fn admin_id(number: u128) -> AdminId {
    AdminId(Uuid::from_u128(number))
}

fn set_admin(log: &mut Log, id: u128, name: &str, roles: &[Role], certificate: CertificateSlot) {
    let (admin, roles) = (admin_id(id), Roles::from_iter(roles.iter().copied()));
    log.write(Change::AdminSet { admin, name: name.to_owned(), roles, certificate });
}

#[test]
fn an_administrator_has_one_certificate_and_a_lost_answer_costs_nothing() {
    let mut log = Log::default();
    let keyed = |given: &str, key: u8| CertificateSlot { key: digest(key), ..slot(given, 1000) };
    let stands = |log: &Log, given: &str| {
        let admin = log.ledger.admin(admin_id(1)).unwrap();
        (admin.holds(&serial(given), at(999)), admin.held(&serial(given), at(999)))
    };
    set_admin(&mut log, 1, "root", &[Role::Writer], keyed("a", 1));
    assert_eq!(stands(&log, "a"), (true, false));
    assert!(!log.ledger.admin(admin_id(1)).unwrap().holds(&serial("a"), at(1000)), "it ended");
    set_admin(&mut log, 1, "root", &[Role::Writer], keyed("b", 2));
    assert_eq!([stands(&log, "a"), stands(&log, "b")], [(false, true), (true, false)]);
    // The answer with `b` was lost, and the same key asks again: `a` may do so for ever.
    set_admin(&mut log, 1, "root", &[Role::Writer], keyed("c", 2));
    assert_eq!(stands(&log, "a"), (false, true));
    assert_eq!([stands(&log, "b"), stands(&log, "c")], [(false, false), (true, false)]);
    set_admin(&mut log, 1, "root", &[Role::Writer], keyed("d", 3));
    assert_eq!([stands(&log, "a"), stands(&log, "c")], [(false, false), (false, true)]);
}

#[test]
fn a_revoked_administrator_is_nobody_and_his_name_is_free() {
    let mut log = Log::default();
    set_admin(&mut log, 1, "b", &[Role::Operator], slot("b", 1000));
    set_admin(&mut log, 2, "a", &[Role::Operator, Role::Reader], slot("a", 2000));
    let names = |log: &Log, after| -> Vec<String> {
        let admins = log.ledger.admins_after(after);
        admins.into_iter().map(|(_, admin)| admin.name.clone()).collect()
    };
    assert_eq!(names(&log, None), ["a", "b"]);
    assert_eq!(names(&log, Some("a")), ["b"]);
    assert!(log.ledger.has_other_operator(admin_id(2), at(999)));
    assert!(!log.ledger.has_other_operator(admin_id(2), at(1000)), "one whose certificate ended");
    log.write(Change::AdminRevoked { admin: admin_id(1) });
    assert!(!log.ledger.has_other_operator(admin_id(2), at(0)));
    assert!(log.ledger.admin(admin_id(1)).is_none() && log.ledger.admin_named("b").is_none());
    set_admin(&mut log, 3, "b", &[Role::Auditor], slot("c", 1000));
    assert_eq!(log.ledger.admin_named("b").unwrap().0, admin_id(3));
    assert_eq!(log.ledger.admin_count(), 2);
}

#[test]
fn a_removed_agent_is_remembered_for_as_long_as_a_certificate_of_it_may_be_about() {
    let mut log = enrolled();
    assert!(!log.ledger.was_removed(agent_id(1)));
    log.write(Change::AgentRemoved { agent: agent_id(1) });
    assert!(log.ledger.was_removed(agent_id(1)));
    assert!(!log.ledger.was_removed(agent_id(2)), "one that never was");
    for (number, days) in [(2, 7), (3, 8)] {
        log.agent(number, "b", AgentSpec::default());
        log.now = days * DAY;
        log.write(Change::AgentRemoved { agent: agent_id(number) });
        assert_eq!(log.ledger.was_removed(agent_id(1)), days < 8);
    }
}

#[test]
fn touched_adds_up() {
    let (agent, instance) = (agent_id(1), instance_id(1));
    let mut sum = Touched { agents: agents(&[1]), ..Touched::default() };
    sum.merge(Touched {
        agents: agents(&[2]),
        revoked: agents(&[3]),
        revoked_instances: BTreeSet::from([(agent, instance)]),
    });
    assert_eq!(sum.agents, agents(&[1, 2]));
    assert_eq!(sum.revoked, agents(&[3]));
    assert_eq!(sum.revoked_instances.len(), 1);
}
