
# Names of secrets and agents, asked of the broker. Nothing where it cannot be reached.
function __secretref_names
    secretref $argv 2>/dev/null | tail -n +2 | string split -f1 ' '
end
complete -c secretref -f -a "(__secretref_names list)" -n "not __fish_seen_subcommand_from agent; and __fish_seen_subcommand_from put get show versions activate destroy delete explain"
complete -c secretref -f -a "(__secretref_names list --deleted)" -n "__fish_seen_subcommand_from undelete"
complete -c secretref -f -a "(__secretref_names agent list)" -n "__fish_seen_subcommand_from agent; and __fish_seen_subcommand_from show token revoke"
