# shellcheck shell=bash
# A PostgreSQL cluster of one's own, empty, on a free port, gone afterwards. To be sourced.
#
#     postgres_start      sets POSTGRES_URL (a superuser's), installing PostgreSQL if there is none
#     postgres_create DB  makes a database and prints its URL
#     postgres_stop       to be called at exit, always
#
# Settings beyond the defaults go into POSTGRES_OPTIONS, as arguments of `postgres`. What is written
# is not forced to disk unless they say so: the cluster is not to outlive a crash.

# shellcheck source=scripts/lib/machine.sh
source "$(dirname "${BASH_SOURCE[0]}")/machine.sh"

POSTGRES_OLDEST=15
postgres_root=
postgres_bin=

postgres_start() {
    postgres_bin=$(postgres_find)
    if [[ -z $postgres_bin ]]; then
        install_packages postgresql
        postgres_bin=$(postgres_find)
    fi
    postgres_root=$(mktemp --directory /tmp/interactions-postgres.XXXXXX)
    if ((EUID == 0)); then
        # PostgreSQL refuses to run as root; the Debian package brings this user.
        chown postgres "$postgres_root"
    fi
    postgres_run "$postgres_bin/initdb" --pgdata="$postgres_root/data" --username=postgres --auth=trust \
        --encoding=UTF8 --locale=C --no-sync >"$postgres_root/initdb.log"
    POSTGRES_PORT=$(free_port)
    local options=(
        -p "$POSTGRES_PORT" -h 127.0.0.1 -k "$postgres_root" -c max_connections=300
        -c shared_buffers=256MB -c fsync=off -c full_page_writes=off "${POSTGRES_OPTIONS[@]}"
    )
    if ! postgres_run "$postgres_bin/pg_ctl" start --wait --silent --pgdata="$postgres_root/data" \
        --log="$postgres_root/log" --options="${options[*]}"; then
        cat "$postgres_root/log" >&2
        return 1
    fi
    POSTGRES_URL=postgres://postgres@127.0.0.1:$POSTGRES_PORT/postgres
}

postgres_create() {
    "$postgres_bin/createdb" --host=127.0.0.1 --port="$POSTGRES_PORT" --username=postgres "$1"
    echo "${POSTGRES_URL%/*}/$1"
}

postgres_stop() {
    if [[ -z $postgres_root ]]; then
        return
    fi
    if [[ -f $postgres_root/data/postmaster.pid ]]; then
        postgres_run "$postgres_bin/pg_ctl" stop --silent --mode=immediate \
            --pgdata="$postgres_root/data" || true
    fi
    rm -rf "$postgres_root"
    postgres_root=
}

# Prints the directory of the newest PostgreSQL that will do, or nothing.
postgres_find() {
    local initdb version
    while read -r initdb; do
        version=$("$initdb" --version | grep -oE '[0-9]+' | head -n 1)
        if ((version >= POSTGRES_OLDEST)); then
            dirname "$initdb"
            return
        fi
    done < <(compgen -G '/usr/lib/postgresql/*/bin/initdb' | sort --reverse --version-sort; type -P initdb)
}

# Runs a program of PostgreSQL, in a directory that its user can enter and with no descriptors of ours.
postgres_run() {
    (
        cd "$postgres_root" || exit
        if ((EUID == 0)); then
            exec runuser -u postgres -- "$@"
        fi
        exec "$@"
    )
}
