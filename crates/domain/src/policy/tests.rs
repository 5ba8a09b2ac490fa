use super::*;
use crate::{
    id::{AdminId, AgentId, InstanceId},
    name::{AgentName, EnvironmentName},
};
use uuid::Uuid;

const ACTIONS: [Action; 13] = [
    Action::SecretWrite,
    Action::SecretAccess,
    Action::MetadataRead,
    Action::AgentWrite,
    Action::AdminWrite,
    Action::AdminRenew,
    Action::AuditRead,
    Action::AuditArchive,
    Action::SecretMatch,
    Action::Join,
    Action::Renew,
    Action::Watch,
    Action::AlertSend,
];

fn admin(roles: &[Role]) -> Caller {
    Caller::Admin {
        id: AdminId(Uuid::from_u128(1)),
        name: "ann".into(),
        roles: roles.iter().copied().collect(),
        peer: None,
    }
}

fn allowed(caller: &Caller) -> Vec<Action> {
    ACTIONS.into_iter().filter(|action| authorise(caller, *action).is_ok()).collect()
}

#[test]
fn each_role_allows_what_it_says_and_no_more() {
    use Action::{
        AdminRenew, AdminWrite, AgentWrite, AuditArchive, AuditRead, MetadataRead, SecretAccess,
        SecretMatch, SecretWrite,
    };
    assert_eq!(allowed(&admin(&[])), []);
    assert_eq!(allowed(&admin(&[Role::Writer])), [SecretWrite, MetadataRead, AdminRenew]);
    assert_eq!(allowed(&admin(&[Role::Reader])), [SecretAccess, MetadataRead, AdminRenew]);
    assert_eq!(
        allowed(&admin(&[Role::Operator])),
        [MetadataRead, AgentWrite, AdminWrite, AdminRenew, AuditRead, SecretMatch]
    );
    assert_eq!(
        allowed(&admin(&[Role::Auditor])),
        [MetadataRead, AdminRenew, AuditRead, AuditArchive, SecretMatch]
    );
}

#[test]
fn agents_and_strangers_reach_only_their_own_doors() {
    let agent = Caller::Agent {
        environment: EnvironmentName::parse("default").unwrap(),
        agent: AgentId(Uuid::from_u128(2)),
        name: AgentName::parse("a").unwrap(),
        instance: InstanceId(Uuid::from_u128(3)),
        peer: None,
    };
    assert_eq!(allowed(&agent), [Action::Renew, Action::Watch]);
    assert_eq!(allowed(&Caller::Nobody { peer: None }), [Action::Join]);
    let broker = Caller::Broker { id: crate::id::BrokerId(Uuid::from_u128(4)) };
    assert_eq!(allowed(&broker), [Action::AlertSend]);
}

#[test]
fn a_confined_caller_keeps_what_the_action_needs_and_nothing_else() {
    let all = admin(&[Role::Writer, Role::Reader, Role::Operator, Role::Auditor]);
    for action in ACTIONS {
        let confined = confined(all.clone(), action);
        assert_eq!(authorise(&confined, action), authorise(&all, action), "{action:?}");
    }
    assert_eq!(confined(all.clone(), Action::SecretAccess), admin(&[Role::Reader]));
    assert_eq!(confined(all.clone(), Action::AuditRead), admin(&[Role::Operator, Role::Auditor]));
    assert_eq!(confined(all.clone(), Action::MetadataRead), all);
    assert_eq!(confined(all, Action::Watch), admin(&[]));
    let nobody = Caller::Nobody { peer: None };
    assert_eq!(confined(nobody.clone(), Action::Watch), nobody);
}
