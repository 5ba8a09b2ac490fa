//! Groups: what an agent has with them, kept as records come.

use super::*;
use crate::{group::GroupSpec, name::GroupName};
use proptest::prelude::*;

fn group(secrets: &[&str]) -> GroupSpec {
    GroupSpec { tools: bound(secrets).tools, ..GroupSpec::default() }
}

fn member(groups: &[&str]) -> AgentSpec {
    let groups = groups.iter().map(|group| name(group)).collect();
    AgentSpec { groups, ..AgentSpec::default() }
}

impl Log {
    fn group(&mut self, called: &str, spec: GroupSpec) -> Touched {
        self.write(Change::GroupSet { environment: env(), name: name(called), spec })
    }

    fn ungroup(&mut self, called: &str) -> Touched {
        self.write(Change::GroupRemoved { environment: env(), name: name(called) })
    }

    fn owed(&self, agent: u128) -> Vec<String> {
        self.desired(agent).secrets.iter().map(|owed| owed.name.to_string()).collect()
    }
}

#[test]
fn a_change_of_the_group_alone_reaches_its_agents_at_once() {
    let mut log = Log::default();
    log.put(1, "s", 1);
    log.put(2, "t", 1);
    log.agent(1, "a", member(&["g"]));
    log.agent(2, "b", member(&["g"]));
    log.agent(3, "other", AgentSpec::default());
    assert_eq!(log.owed(1), Vec::<String>::new());
    let touched = log.group("g", group(&["s"]));
    assert_eq!(touched.agents, [agent_id(1), agent_id(2)].into());
    assert_eq!(log.owed(1), ["s"]);
    assert!(log.ledger.binds(agent_id(2), &name("s")));
    let agent = log.ledger.agent(agent_id(1)).unwrap();
    assert!(log.ledger.owes(agent, secret_id(1), at(0)));
    assert_eq!(agent.group_of(&name("t0")), Some(&name("g")));
    // A put reaches who is bound by the group.
    assert_eq!(log.put(1, "s", 2).agents, [agent_id(1), agent_id(2)].into());
    log.group("g", group(&["t"]));
    assert_eq!(log.owed(1), ["t"]);
    assert!(log.put(1, "s", 3).agents.is_empty());
    let touched = log.ungroup("g");
    assert_eq!(touched.agents, [agent_id(1), agent_id(2)].into());
    assert_eq!(log.owed(1), Vec::<String>::new());
    assert!(log.put(2, "t", 2).agents.is_empty());
}

#[test]
fn a_group_of_another_environment_is_another() {
    let mut log = Log::default();
    log.put(1, "s", 1);
    log.agent(1, "a", member(&["g"]));
    let spec = group(&["s"]);
    let touched = log.write(Change::GroupSet { environment: name("other"), name: name("g"), spec });
    assert!(touched.agents.is_empty());
    assert_eq!(log.owed(1), Vec::<String>::new());
    assert!(log.ledger.group(&env(), &name("g")).is_none());
}

#[test]
fn a_ref_that_a_group_binds_concerns_its_agents() {
    let mut log = Log::default();
    log.put(1, "s", 1);
    log.group("g", group(&["alias"]));
    log.agent(1, "a", member(&["g"]));
    let touched = log.reference("alias", in_provider("store", Some("s")));
    assert_eq!(touched.agents, [agent_id(1)].into());
    assert_eq!(log.owed(1), ["s"]);
}

#[test]
fn a_record_from_before_there_were_groups_is_read() {
    let spec: AgentSpec = serde_json::from_str(
        "{\"display_name\":\"\",\"description\":\"\",\"runtime\":\"\",\"capabilities\":null,\
         \"command\":[],\"profiles\":{},\"tools\":{}}",
    )
    .unwrap();
    assert_eq!(spec, AgentSpec::default());
    assert!(!serde_json::to_string(&spec).unwrap().contains("groups"));
}

/// One step of a random history.
#[derive(Debug, Clone)]
enum Step {
    Agent(u8, Vec<u8>, Vec<u8>),
    Group(u8, Vec<u8>),
    Ungroup(u8),
}

const SECRETS: [&str; 4] = ["s0", "s1", "s2", "s3"];
const GROUPS: [&str; 3] = ["g0", "g1", "g2"];

fn step() -> impl Strategy<Value = Step> {
    let secrets = || prop::collection::vec(0..4_u8, 0..4);
    prop_oneof![
        (0..3_u8, prop::collection::vec(0..3_u8, 0..3), secrets())
            .prop_map(|(agent, groups, own)| Step::Agent(agent, groups, own)),
        (0..3_u8, secrets()).prop_map(|(group, tools)| Step::Group(group, tools)),
        (0..3_u8).prop_map(Step::Ungroup),
    ]
}

/// Tools are named after their secrets, so that the same tool can come from several places.
fn tools(secrets: &[u8]) -> BTreeMap<crate::name::ToolName, ToolBinding> {
    let one = |secret: &u8| {
        let called = SECRETS[usize::from(*secret)];
        let spec = bound(&[called]);
        (name(called), spec.tools["t0"].clone())
    };
    secrets.iter().map(one).collect()
}

proptest! {
    /// What is kept at every fold is what is worked out from the last record of each thing.
    #[test]
    fn what_is_kept_is_what_the_last_records_say(steps in prop::collection::vec(step(), 0..40)) {
        let mut log = Log::default();
        for (at, called) in SECRETS.iter().enumerate() {
            log.put(at as u128 + 1, called, 1);
        }
        let mut agents: BTreeMap<u8, AgentSpec> = BTreeMap::new();
        let mut groups: BTreeMap<GroupName, GroupSpec> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Agent(agent, of, own) => {
                    let of = of.iter().map(|group| name(GROUPS[usize::from(*group)])).collect();
                    let spec = AgentSpec { groups: of, tools: tools(&own), ..AgentSpec::default() };
                    log.agent(u128::from(agent), &format!("a{agent}"), spec.clone());
                    agents.insert(agent, spec);
                }
                Step::Group(group, bound) => {
                    let spec = GroupSpec { tools: tools(&bound), ..GroupSpec::default() };
                    log.group(GROUPS[usize::from(group)], spec.clone());
                    groups.insert(name(GROUPS[usize::from(group)]), spec);
                }
                Step::Ungroup(group) => {
                    log.ungroup(GROUPS[usize::from(group)]);
                    groups.remove(GROUPS[usize::from(group)]);
                }
            }
        }
        for (agent, spec) in agents {
            let expected = Effective::of(&spec, |name| groups.get(name)).spec;
            let id = agent_id(u128::from(agent));
            let found = log.ledger.agent(id).unwrap();
            prop_assert_eq!(found.effective(), &expected);
            for called in SECRETS {
                let binds = expected.tools.contains_key(called);
                prop_assert_eq!(log.ledger.binds(id, &name(called)), binds);
            }
            let owed: Vec<String> = expected.tools.keys().map(ToString::to_string).collect();
            prop_assert_eq!(log.owed(u128::from(agent)), owed);
        }
    }
}
