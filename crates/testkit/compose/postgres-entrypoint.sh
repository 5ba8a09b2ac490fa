#!/bin/sh
set -eu
if [ ! -e "$PGDATA/PG_VERSION" ]; then
    initdb --username=postgres --auth-local=trust --encoding=UTF8 --locale=C > /dev/null
    pg_ctl start --wait -o "-c listen_addresses=" > /dev/null
    createdb -U postgres "$POSTGRES_DB"
    pg_ctl stop --wait > /dev/null
fi
exec "$@"
