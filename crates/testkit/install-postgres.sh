#!/bin/sh
# Makes sure that the Postgres server's binaries are there, from which the tests start throwaway
# clusters of their own. It installs them where it may, and else says what to install. It starts no
# server, and leaves any that runs alone.
set -eu

found() {
    for folder in $(echo "$PATH" | tr ':' ' ') \
        "$(pg_config --bindir 2>/dev/null || true)" /usr/lib/postgresql/*/bin; do
        if [ -x "$folder/initdb" ] && [ -x "$folder/postgres" ]; then
            return 0
        fi
    done
    return 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo -n "$@"
    fi
}

may_install() {
    command -v apt-get >/dev/null 2>&1 || return 1
    [ "$(id -u)" = 0 ] || { command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; }
}

if found; then
    exit 0
fi
if may_install; then
    echo "installing the Postgres server's binaries (apt-get install postgresql)" >&2
    # Without a cluster of the distribution's own: none is needed, and none should start.
    # shellcheck disable=SC2016 # expanded by the inner shell
    as_root sh -c '
        conf=/etc/postgresql-common/createcluster.conf
        if ! [ -e "$conf" ]; then
            mkdir -p /etc/postgresql-common && echo "create_main_cluster = false" >"$conf"
        fi
        export DEBIAN_FRONTEND=noninteractive
        apt-get -qq update && apt-get -qq install -y --no-install-recommends \
            -o Dpkg::Options::=--force-confold postgresql >/dev/null' >&2 || true
fi
if ! found; then
    echo "error: the tests need the Postgres server's binaries." \
        "Fix: sudo apt-get install postgresql" >&2
    exit 1
fi
