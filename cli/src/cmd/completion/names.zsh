# Names of secrets, agents, administrators, alert channels and profiles, asked of the broker or of
# config.toml.
# Nothing where there is none. The first line is the header of the table.
_secretref_names() {
    local -a names
    names=(${${(f)"$(secretref $@ 2>/dev/null)"}[2,-1]%% *})
    compadd -a names
}
_secretref_secrets() { _secretref_names list }
_secretref_agents() { _secretref_names agent list }
_secretref_admins() { _secretref_names admin list }
_secretref_channels() { _secretref_names alert list }
_secretref_profiles() { _secretref_names profile list }

