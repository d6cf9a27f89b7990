# shellcheck shell=bash
# What scripts need of the machine. To be sourced.

# Installs Debian packages, unless the command that is named first is there already.
need() {
    local command=$1
    shift
    if command -v "$command" >/dev/null; then
        return
    fi
    install_packages "$@"
}

install_packages() {
    local as_root=() output
    if ! command -v apt-get >/dev/null; then
        echo "please install what Debian calls: $*" >&2
        return 1
    fi
    if ((EUID != 0)); then
        as_root=(sudo --non-interactive)
    fi
    as_root+=(env DEBIAN_FRONTEND=noninteractive)
    echo "installing $*" >&2
    if ! output=$({
        "${as_root[@]}" apt-get update &&
            "${as_root[@]}" apt-get install --yes --no-install-recommends "$@"
    } 2>&1); then
        printf '%s\n' "$output" >&2
        return 1
    fi
}

# Prints a port that nothing listens on, below those that the system hands out by itself.
free_port() {
    local port
    while true; do
        port=$((20000 + RANDOM % 12000))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo "$port"
            return
        fi
    done
}
