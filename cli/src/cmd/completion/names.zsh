# Names of secrets and agents, asked of the broker. Nothing where it cannot be reached.
_secretref_secrets() {
    local -a names
    names=(${${(f)"$(secretref list 2>/dev/null)"}[2,-1]%% *})
    compadd -a names
}
_secretref_agents() {
    local -a names
    names=(${${(f)"$(secretref agent list 2>/dev/null)"}[2,-1]%% *})
    compadd -a names
}

