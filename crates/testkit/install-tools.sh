#!/bin/sh
# Makes sure that what the tests need of the system is there: the Postgres server's binaries, from
# which they start throwaway clusters of their own; libfaketime, by which real processes live at
# another time; curl, jq and openssl, in which examples are written; and, for root, iproute2, with
# whose network namespaces hosts are made. It installs what is missing where it may, and else says
# what to install. It starts no server, and leaves any that runs alone.
set -eu

has_postgres() {
    for folder in $(echo "$PATH" | tr ':' ' ') \
        "$(pg_config --bindir 2>/dev/null || true)" /usr/lib/postgresql/*/bin; do
        if [ -x "$folder/initdb" ] && [ -x "$folder/postgres" ]; then
            return 0
        fi
    done
    return 1
}

has_faketime() {
    for file in /usr/lib*/faketime/libfaketime.so.1 /usr/lib*/*/faketime/libfaketime.so.1; do
        [ -e "$file" ] && return 0
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

missing=
has_postgres || missing="$missing postgresql"
has_faketime || missing="$missing libfaketime"
for tool in curl jq openssl; do
    command -v "$tool" >/dev/null 2>&1 || missing="$missing $tool"
done
# Only root can make network namespaces.
[ "$(id -u)" != 0 ] || command -v ip >/dev/null 2>&1 || missing="$missing iproute2"
if [ -z "$missing" ]; then
    exit 0
fi
if may_install; then
    echo "installing what the tests need (apt-get install$missing)" >&2
    # Without a cluster of the distribution's own: none is needed, and none should start.
    # shellcheck disable=SC2016 # expanded by the inner shell
    as_root sh -c '
        conf=/etc/postgresql-common/createcluster.conf
        if ! [ -e "$conf" ]; then
            mkdir -p /etc/postgresql-common && echo "create_main_cluster = false" >"$conf"
        fi
        export DEBIAN_FRONTEND=noninteractive
        apt-get -qq update && apt-get -qq install -y --no-install-recommends \
            -o Dpkg::Options::=--force-confold "$@" >/dev/null' install $missing >&2 || true
fi
for package in $missing; do
    case $package in
        postgresql) has_postgres && continue ;;
        libfaketime) has_faketime && continue ;;
        *) command -v "$package" >/dev/null 2>&1 && continue ;;
    esac
    echo "error: the tests need $package. Fix: sudo apt-get install $package" >&2
    exit 1
done
