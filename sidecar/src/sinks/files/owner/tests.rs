use super::{Accounts, Owner, find};

fn accounts() -> Accounts {
    Accounts {
        passwd: Some("root:x:0:0:root:/root:/bin/sh\nagent:x:1000:1001::/home/agent:\n".into()),
        group: Some("root:x:0:\nagents:x:2000:agent,other\n".into()),
    }
}

fn parse(given: &str) -> Result<Owner, &'static str> {
    Owner::parse(given, &mut accounts())
}

#[test]
fn names_become_numbers() {
    assert_eq!(parse("agent"), Ok(Owner { uid: Some(1000), gid: None }));
    assert_eq!(parse("agent:agents"), Ok(Owner { uid: Some(1000), gid: Some(2000) }));
    assert_eq!(parse("root:agents"), Ok(Owner { uid: Some(0), gid: Some(2000) }));
}

#[test]
fn numbers_need_no_account() {
    assert_eq!(parse("4000:5000"), Ok(Owner { uid: Some(4000), gid: Some(5000) }));
    assert_eq!(parse("agent:5000"), Ok(Owner { uid: Some(1000), gid: Some(5000) }));
    assert_eq!(parse("0"), Ok(Owner { uid: Some(0), gid: None }));
}

#[test]
fn what_is_no_owner_is_refused() {
    for given in ["", ":", "agent:", ":agents", "agents", "agent:agent", "agent:agents:1", "-1"] {
        assert!(parse(given).is_err(), "{given:?} was taken");
    }
    assert!(parse("nobody-here").unwrap_err().contains("/etc/passwd"));
    assert!(parse("agent:nobody-here").unwrap_err().contains("/etc/group"));
}

#[test]
fn the_number_that_means_unchanged_is_refused() {
    assert!(parse("4294967294").is_ok());
    assert!(parse("4294967295").is_err());
    assert!(parse("0:4294967295").is_err());
    assert!(parse("99999999999999999999").is_err());
}

#[test]
fn a_torn_line_hides_no_other() {
    let text = "agent\nagent:x:\nagent:x:no:\n\n:x:7:\nagent:x:12:\nagent:x:13:\n";
    assert_eq!(find(text, "agent"), Some(12));
    assert_eq!(find(text, "age"), None);
}

#[test]
fn the_systems_accounts_are_read() {
    let root = Owner::parse("root:root", &mut Accounts::default());
    assert_eq!(root, Ok(Owner { uid: Some(0), gid: Some(0) }));
}
