use super::{judge, parse_groups};
use std::io;

#[test]
fn only_who_shares_the_user_or_the_group_is_let_in() {
    let none = || Ok(Vec::new());
    assert!(judge((1000, 1000), 1000, None, none).is_ok());
    assert!(judge((0, 0), 1000, None, none).is_ok());
    assert!(judge((1001, 50), 1000, Some(50), none).is_ok());
    assert!(judge((1001, 1001), 1000, Some(50), || Ok(vec![7, 50])).is_ok());
    let refused = judge((1001, 1000), 1000, None, none).unwrap_err();
    assert!(refused.to_string().contains("--group"), "{refused}");
    assert!(judge((1001, 1001), 1000, Some(50), || Ok(vec![5, 500])).is_err());
    let blind = || Err(io::ErrorKind::NotFound.into());
    assert!(judge((1001, 1001), 1000, Some(50), blind).is_err());
}

#[test]
fn groups_are_read_as_proc_writes_them() {
    assert_eq!(parse_groups("Name:\tx\nGroups:\t4 24 1000 \nVmPeak:\t1 kB\n"), [4, 24, 1000]);
    assert!(parse_groups("Groups:\t\n").is_empty());
    assert!(parse_groups("Name:\tGroups: 4\n").is_empty());
}
