use super::*;

fn full() -> AgentSettings {
    AgentSettings {
        dotenv: Some("all.env".parse().unwrap()),
        command: vec!["/bin/agent".into(), String::new()],
        process: ProcessSpec {
            inherit: vec!["HTTPS_PROXY".parse().unwrap()],
            stop_timeout_ms: 0,
            gate: Some(GateSpec {
                alive_ms: 1,
                http: Some("http://127.0.0.1:1/x".to_owned().try_into().unwrap()),
                command: vec!["/bin/true".into()],
                timeout_ms: 2,
            }),
            hand_over: true,
        },
    }
}

#[test]
fn settings_come_back_as_they_went() {
    assert_eq!(to_settings(&AgentSettings::default()), None);
    assert_eq!(from_settings(None).unwrap(), AgentSettings::default());
    let wire = to_settings(&full()).unwrap();
    assert_eq!(from_settings(Some(&wire)).unwrap(), full());
    let plain = AgentSettings { command: vec!["x".into()], ..AgentSettings::default() };
    assert_eq!(from_settings(to_settings(&plain).as_ref()).unwrap(), plain);
}

#[test]
fn what_no_broker_sends_is_refused() {
    type Process = v1::ProcessSettings;
    let mutations: [fn(&mut Process); 10] = [
        |process| process.command = vec!["x".into(); 257],
        |process| process.command = vec!["x".repeat(4097)],
        |process| process.command = vec!["a\0b".into()],
        |process| process.command = vec![String::new()],
        |process| process.inherit = vec!["a b".into()],
        |process| process.inherit = vec!["A".into(); 65],
        |process| process.stop_timeout_ms = -1,
        |process| process.stop_timeout_ms = 600_001,
        |process| process.gate.as_mut().unwrap().timeout_ms = 0,
        |process| process.gate.as_mut().unwrap().http_url = "http://10.0.0.1/".into(),
    ];
    for (at, mutate) in mutations.iter().enumerate() {
        let mut wire = to_settings(&full()).unwrap();
        mutate(wire.process.as_mut().unwrap());
        assert!(from_settings(Some(&wire)).is_err(), "mutation {at}");
    }
}
