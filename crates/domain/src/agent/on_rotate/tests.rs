use super::OnRotate;

fn parse(given: &str) -> Result<OnRotate, String> {
    OnRotate::try_from(given.to_owned())
}

#[test]
fn every_form_is_read_and_written_as_it_was() {
    let forms = [
        "restart",
        "none",
        "signal:HUP",
        "signal:USR1@/run/agent/agent.pid",
        "http://127.0.0.1:8080/reload",
        "http://127.9.8.7:1/",
        "http://[::1]:65535/a/b?c=d&e=%20",
        "http://localhost:8080/reload",
        "http://127.0.0.1",
        "exec:/usr/local/bin/reload",
        "openclaw",
        "openclaw:/opt/openclaw/bin/openclaw",
    ];
    for form in forms {
        let parsed = parse(form).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(String::from(parsed), form);
    }
}

#[test]
fn what_could_reach_further_is_refused() {
    let long = format!("http://127.0.0.1:1/{}", "a".repeat(1024));
    let wrong = [
        "",
        "Restart",
        "signal:KILL",
        "signal:HUP@agent.pid",
        "signal:KILL@/run/agent.pid",
        "signal:HUP@/run/../etc/agent.pid",
        "signal:HUP@/run/a\nb",
        "signal:HUP@",
        "exec:reload",
        "OpenClaw",
        "openclaw:",
        "openclaw:openclaw",
        "openclaw:/usr/../bin/sh",
        "openclaw:ws://10.0.0.1:18789",
        "exec:/usr/../bin/sh",
        "http://127.0.0.1:0/reload",
        "http://localhost.example:8080/reload",
        "http://10.0.0.1:8080/reload",
        "http://0.0.0.0:8080/reload",
        "http://[::]:8080/reload",
        "http://[::ffff:10.0.0.1]:8080/reload",
        "http://user:password@127.0.0.1:8080/reload",
        "http://127.0.0.1:8080@10.0.0.1:80/reload",
        "http://127.0.0.1:8080/a b",
        "http://127.0.0.1:8080/a\r\nHost: x",
        "http://127.0.0.1:8080/a#b",
        "https://127.0.0.1:8080/reload",
        &long,
    ];
    for form in wrong {
        let refused = parse(form).expect_err(form);
        assert!(refused.contains("http://127.0.0.1:PORT/path"), "{refused}");
    }
}
