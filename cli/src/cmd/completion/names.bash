
# Names of secrets and agents, asked of the broker. Nothing where it cannot be reached.
_secretref_with_names() {
    _secretref "$@"
    local word="${COMP_WORDS[COMP_CWORD]}" list= name
    case "$COMP_CWORD ${COMP_WORDS[1]} ${COMP_WORDS[2]}" in
        "2 put "*|"2 get "*|"2 show "*|"2 versions "*|"2 activate "*) list="list" ;;
        "2 destroy "*|"2 delete "*|"2 explain "*) list="list" ;;
        "2 undelete "*) list="list --deleted" ;;
        "3 agent show"|"3 agent token"|"3 agent revoke") list="agent list" ;;
    esac
    case "${COMP_WORDS[COMP_CWORD-1]}" in
        --secret) list="list" ;;
        --agent) list="agent list" ;;
    esac
    [[ -n "$list" && "$word" != -* ]] || return 0
    while read -r name _; do
        [[ "$name" == "$word"* && "$name" != [A-Z]* ]] && COMPREPLY+=("$name")
    done < <(secretref $list 2>/dev/null)
    return 0
}
complete -F _secretref_with_names -o bashdefault -o default secretref
