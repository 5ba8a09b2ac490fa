
# Names of secrets, agents, administrators, alert channels and profiles, asked of the broker or of
# config.toml.
# Nothing where there is none.
function __secretref_names
    secretref $argv 2>/dev/null | tail -n +2 | string split -f1 ' '
end
complete -c secretref -f -a "(__secretref_names list)" -n "not __fish_seen_subcommand_from agent admin alert profile; and __fish_seen_subcommand_from put get show versions activate destroy delete explain impact"
complete -c secretref -f -a "(__secretref_names list --deleted)" -n "__fish_seen_subcommand_from undelete"
complete -c secretref -f -a "(__secretref_names agent list)" -n "__fish_seen_subcommand_from agent; and __fish_seen_subcommand_from show token revoke held quarantine release"
complete -c secretref -f -a "(__secretref_names admin list)" -n "__fish_seen_subcommand_from admin; and __fish_seen_subcommand_from renew revoke"
complete -c secretref -f -a "(__secretref_names alert list)" -n "__fish_seen_subcommand_from alert; and __fish_seen_subcommand_from test"
complete -c secretref -f -a "(__secretref_names profile list)" -n "__fish_seen_subcommand_from profile; and __fish_seen_subcommand_from show use remove"
complete -c secretref -f -l profile -x -a "(__secretref_names profile list)"
complete -c secretref -f -l agent -x -a "(__secretref_names agent list)" -n "__fish_seen_subcommand_from status log"
complete -c secretref -f -l held-by -x -a "(__secretref_names agent list)" -n "__fish_seen_subcommand_from rotate"
complete -c secretref -f -l secret -x -a "(__secretref_names list)" -n "__fish_seen_subcommand_from log"
