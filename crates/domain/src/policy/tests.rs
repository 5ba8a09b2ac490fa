use super::*;
use crate::{
    id::{AdminId, AgentId, InstanceId},
    name::{AgentName, EnvironmentName},
};
use uuid::Uuid;

const ACTIONS: [Action; 8] = [
    Action::SecretWrite,
    Action::SecretAccess,
    Action::MetadataRead,
    Action::AgentWrite,
    Action::AuditRead,
    Action::Join,
    Action::Renew,
    Action::Watch,
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
    use Action::{AgentWrite, AuditRead, MetadataRead, SecretAccess, SecretWrite};
    assert_eq!(allowed(&admin(&[])), []);
    assert_eq!(allowed(&admin(&[Role::Writer])), [SecretWrite, MetadataRead]);
    assert_eq!(allowed(&admin(&[Role::Reader])), [SecretAccess, MetadataRead]);
    assert_eq!(allowed(&admin(&[Role::Operator])), [MetadataRead, AgentWrite, AuditRead]);
    assert_eq!(allowed(&admin(&[Role::Auditor])), [MetadataRead, AuditRead]);
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
    assert_eq!(allowed(&broker), []);
}
