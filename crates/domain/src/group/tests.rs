use super::*;
use crate::agent::OnFailure;

fn name<T: std::str::FromStr>(given: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    given.parse().unwrap()
}

fn binding(required: bool) -> ToolBinding {
    ToolBinding { required: Some(required), ..ToolBinding::default() }
}

fn group(tools: &[&str]) -> GroupSpec {
    let tools = tools.iter().map(|tool| (name(tool), binding(false))).collect();
    GroupSpec { tools, ..GroupSpec::default() }
}

fn own(groups: &[&str], tools: &[&str]) -> AgentSpec {
    AgentSpec {
        groups: groups.iter().map(|group| name(group)).collect(),
        tools: tools.iter().map(|tool| (name(tool), binding(true))).collect(),
        ..AgentSpec::default()
    }
}

fn effective(own: &AgentSpec, groups: &[(&str, GroupSpec)]) -> Effective {
    Effective::of(own, |wanted| {
        groups.iter().find(|(name, _)| *name == wanted.as_str()).map(|(_, group)| group)
    })
}

fn tools(effective: &Effective) -> Vec<String> {
    let origin = |tool: &ToolName| effective.origins.get(tool).map_or("own", GroupName::as_str);
    effective.spec.tools.keys().map(|tool| format!("{tool} of {}", origin(tool))).collect()
}

#[test]
fn own_tools_win_and_later_groups_win_over_earlier_ones() {
    let groups = [("one", group(&["a", "b", "c"])), ("two", group(&["b", "c", "d"]))];
    let found = effective(&own(&["one", "two"], &["c"]), &groups);
    assert_eq!(tools(&found), ["a of one", "b of two", "c of own", "d of two"]);
    assert_eq!(found.spec.tools["c"].required, Some(true));
    let found = effective(&own(&["two", "one"], &["c"]), &groups);
    assert_eq!(tools(&found), ["a of one", "b of one", "c of own", "d of two"]);
    let found = effective(&own(&["gone", "one"], &[]), &groups);
    assert_eq!(tools(&found), ["a of one", "b of one", "c of one"], "no group, nothing added");
}

#[test]
fn an_auth_profile_is_replaced_by_itself() {
    let alert = AuthProfile { required: None, on_failure: OnFailure::DenyAndAlert };
    let mut one = group(&["a"]);
    one.profiles.insert(name("a"), alert.clone());
    let mut own = own(&["one"], &["a"]);
    let found = effective(&own, &[("one", one.clone())]);
    assert_eq!(found.spec.profiles["a"], alert, "the binding is the agent's, the profile stays");
    own.profiles.insert(name("a"), AuthProfile::default());
    let found = effective(&own, &[("one", one)]);
    assert_eq!(found.spec.profiles["a"], AuthProfile::default());
}

#[test]
fn no_group_widens_an_agents_own_list() {
    let listed = |list: &[&str]| Some(list.iter().map(|tool| name(tool)).collect::<Vec<_>>());
    let of = |own_list: Option<Vec<ToolName>>, groups: &[Option<Vec<ToolName>>]| {
        let names = ["one", "two"];
        let mut own = own(&names[..groups.len()], &["mine"]);
        own.capabilities = own_list;
        let groups: Vec<_> = names
            .into_iter()
            .zip(groups)
            .map(|(name, list)| (name, GroupSpec { capabilities: list.clone(), ..group(&[name]) }))
            .collect();
        effective(&own, &groups).spec.capabilities
    };
    assert_eq!(of(listed(&["x"]), &[listed(&["y"])]), listed(&["x"]));
    assert_eq!(of(listed(&[]), &[listed(&["y"])]), listed(&[]));
    assert_eq!(of(None, &[None, None]), None, "exactly what is bound");
    assert_eq!(of(None, &[listed(&["y"])]), listed(&["mine", "y"]));
    assert_eq!(of(None, &[listed(&[]), None]), listed(&["mine", "two"]));
}
