use super::*;

#[test]
fn each_script_asks_for_names() {
    let zsh = script(Shell::Zsh);
    assert!(zsh.starts_with("#compdef secretref"));
    assert_eq!(zsh.matches("\n_secretref() {").count(), 1);
    assert!(zsh.matches(":_secretref_secrets'").count() >= 9, "{zsh}");
    assert!(zsh.matches(":_secretref_agents'").count() >= 4, "{zsh}");
    assert!(script(Shell::Bash).ends_with("default secretref\n"));
    assert!(script(Shell::Fish).contains("__secretref_names agent list"));
}
