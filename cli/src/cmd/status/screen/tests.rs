use super::*;

#[test]
fn a_fleet_names_environments_and_one_agent_names_nothing() {
    let status = v1::AgentStatus {
        agent: "x".to_owned(),
        environment: "prod".to_owned(),
        refs: vec![v1::RefStatus { file: "A".to_owned(), ..v1::RefStatus::default() }],
        ..v1::AgentStatus::default()
    };
    let statuses = [status];
    let now = Timestamp::default();
    let shown = |secrets, fleet, single| {
        View { secrets, fleet, single }.lines(Printer::plain(), &statuses, &now)
    };
    assert!(shown(false, true, false)[0].starts_with("ENVIRONMENT  AGENT"));
    assert!(shown(false, true, false)[1].starts_with("prod         x"));
    assert!(shown(false, false, false)[0].starts_with("AGENT  STATE"));
    assert_eq!(shown(true, true, false)[0], "x (prod, unknown)");
    assert!(shown(true, false, true)[0].starts_with("⚠️ A: "));
}
