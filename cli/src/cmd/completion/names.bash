
# Names of secrets, agents, administrators, alert channels and profiles, asked of the broker or of
# config.toml.
# Nothing where there is none.
_secretref_with_names() {
    _secretref "$@"
    local word="${COMP_WORDS[COMP_CWORD]}" list= name
    case "$COMP_CWORD ${COMP_WORDS[1]} ${COMP_WORDS[2]}" in
        "2 put "*|"2 get "*|"2 show "*|"2 versions "*|"2 activate "*) list="list" ;;
        "2 destroy "*|"2 delete "*|"2 explain "*|"2 impact "*) list="list" ;;
        "2 undelete "*) list="list --deleted" ;;
        "3 agent show"|"3 agent token"|"3 agent revoke"|"3 agent held"|"3 agent release") list="agent list" ;;
        "3 agent quarantine") list="agent list" ;;
        "3 admin renew"|"3 admin revoke") list="admin list" ;;
        "3 alert test") list="alert list" ;;
        "3 profile show"|"3 profile use"|"3 profile remove") list="profile list" ;;
    esac
    case "${COMP_WORDS[COMP_CWORD-1]}" in
        --secret) list="list" ;;
        --agent|--held-by) list="agent list" ;;
        --profile) list="profile list" ;;
    esac
    [[ -n "$list" && "$word" != -* ]] || return 0
    # The first line is the header of the table.
    while read -r name _; do
        # A name that begins with `#` would be a comment.
        printf -v name %q "$name"
        [[ "$name" == "$word"* ]] && COMPREPLY+=("$name")
    done < <(secretref $list 2>/dev/null | tail -n +2)
    return 0
}
complete -F _secretref_with_names -o bashdefault -o default secretref
