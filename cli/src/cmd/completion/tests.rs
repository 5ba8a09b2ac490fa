use super::*;

#[test]
fn each_script_asks_for_names() {
    let zsh = script(Shell::Zsh);
    assert!(zsh.starts_with("#compdef secretref"));
    assert_eq!(zsh.matches("\n_secretref() {").count(), 1);
    assert!(zsh.matches(":_secretref_secrets'").count() >= 9, "{zsh}");
    assert!(zsh.matches(":_secretref_agents'").count() >= 4, "{zsh}");
    assert_eq!(zsh.matches(":_secretref_channels'").count(), 1, "{zsh}");
    assert!(script(Shell::Bash).ends_with("default secretref\n"));
    // One place each: `renew [ADMIN]` and `revoke ADMIN`; three verbs, and an option of every one.
    assert!(zsh.matches(":_secretref_admins'").count() >= 2, "{zsh}");
    assert!(zsh.matches(":_secretref_profiles'").count() >= 20, "{zsh}");
    for list in ["list", "agent list", "admin list", "alert list", "profile list"] {
        assert!(script(Shell::Fish).contains(&format!("__secretref_names {list})")), "{list}");
    }
}
