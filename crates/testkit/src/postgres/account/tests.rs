use super::*;

const ACCOUNTS: &str =
    "root:x:0:0:root:/root:/bin/sh\nbroken\nnobody:x:65534:65533:n:/:/bin/false\n";

#[test]
fn an_account_is_found_by_its_whole_name() {
    let nobody = Account::in_passwd(ACCOUNTS, "nobody").expect("an account");
    assert_eq!((nobody.uid, nobody.gid), (65534, 65533));
    assert!(Account::in_passwd(ACCOUNTS, "nobo").is_none());
    assert!(Account::in_passwd(ACCOUNTS, "broken").is_none());
}
