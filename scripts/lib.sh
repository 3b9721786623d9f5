# shellcheck shell=bash
#
# What the scripts share: messages, RESP over bash's /dev/tcp, waiting on conditions,
# and telling our own server processes from all others.
#
# Needs bash 5 and Linux (/proc). Sourced, never run.

# The one-line error every script ends with: 1 is a failure, 2 a mistake in the call.
die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}
usage_error() {
    printf '%s: %s (see %s --help)\n' "${0##*/}" "$*" "${0##*/}" >&2
    exit 2
}
note() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

# The comment at the top of a script is its help text.
print_help() {
    local line
    while IFS= read -r line; do
        [[ $line == '#!'* ]] && continue
        [[ $line == '#'* ]] || break
        line=${line#\#}
        printf '%s\n' "${line# }"
    done <"$0"
}

is_number() { [[ $1 =~ ^[0-9]{1,9}$ ]]; }
is_port() { is_number "$1" && ((10#$1 >= 1 && 10#$1 <= 65535)); }

# A word of a configuration file.
quoted() { # TEXT
    local text=${1//\\/\\\\}
    printf '"%s"\n' "${text//\"/\\\"}"
}

# ---- the server binary ---------------------------------------------------------------------

# Programs run in folders of their own, where a relative path would mean something else. Links stay
# as they are: some programs are told by the name they are called by what to be.
absolute() { # PATH
    if [[ $1 == /* ]]; then printf '%s\n' "$1"; else printf '%s\n' "$PWD/$1"; fi
}

# Prints the path of a program: a file that can be run, by its path or a name in PATH.
runnable() { # PROGRAM
    local path
    if [[ $1 == */* ]]; then path=$1; else path=$(type -P -- "$1") || return 1; fi
    [[ -f $path && -x $path ]] || return 1
    absolute "$path"
}

# Prints the path of the server: TIDEMARK_SERVER, or the release build, which is brought up to
# date first if `build` is given, and made if it is not there.
server_binary() {
    local root=$1 build=${2:-} binary target
    if [[ -n ${TIDEMARK_SERVER:-} ]]; then
        binary=$(runnable "$TIDEMARK_SERVER") || die "TIDEMARK_SERVER: cannot run $TIDEMARK_SERVER"
        printf '%s\n' "$binary"
        return
    fi
    target=$(absolute "${CARGO_TARGET_DIR:-$root/target}")
    binary=$target/release/tidemark-server
    if [[ $build == build || ! -x $binary ]]; then
        if command -v cargo >/dev/null; then
            [[ -x $binary ]] || note "building the server: the first time takes some minutes"
            (cd "$root" && cargo build --release --bin tidemark-server --target-dir "$target") >&2 ||
                die "the build failed"
        elif [[ ! -x $binary ]]; then
            die "no server at $binary, and no cargo to build it"
        fi
    fi
    [[ -x $binary ]] || die "no server at $binary"
    printf '%s\n' "$binary"
}

# ---- RESP ----------------------------------------------------------------------------------

# One connection at a time, in RESP_FD; the last reply in RESP_REPLY. A script that keeps a
# connection should ignore SIGPIPE: the server may close it at any time.
RESP_FD=''
RESP_REPLY=''
RESP_TIMEOUT_SECONDS=5

resp_connect() { # PORT
    { exec {RESP_FD}<>"/dev/tcp/127.0.0.1/$1"; } 2>/dev/null
}

resp_close() {
    [[ -z $RESP_FD ]] || { exec {RESP_FD}>&-; } 2>/dev/null || true
    RESP_FD=''
}

# Appends one command to the variable RESP_REQUEST, so that several can travel in one write.
resp_encode() { # COMMAND [ARGUMENT…]
    local LC_ALL=C argument # so that ${#argument} counts bytes
    RESP_REQUEST+="*$#"$'\r\n'
    for argument; do
        RESP_REQUEST+="\$${#argument}"$'\r\n'"$argument"$'\r\n'
    done
}

resp_flush() {
    local request=$RESP_REQUEST
    RESP_REQUEST=''
    # Through cat: bash itself writes line by line, and small packets wait for each other (Nagle).
    printf '%s' "$request" | { cat >&"$RESP_FD"; } 2>/dev/null
}

# Reads one reply. 0: a reply; 1: no connection, or no answer in time; 2: an error reply.
# Elements of an array come one per line; nil is the empty string.
resp_read() {
    local LC_ALL=C line length element elements # so that -N counts bytes
    IFS= read -r -t "$RESP_TIMEOUT_SECONDS" -u "$RESP_FD" line || return 1
    line=${line%$'\r'}
    case $line in
    [+:]*) RESP_REPLY=${line:1} ;;
    -*)
        RESP_REPLY=${line:1}
        return 2
        ;;
    '$-1' | '*-1') RESP_REPLY='' ;;
    '$'*)
        length=${line:1}
        is_number "$length" || return 1
        IFS= read -r -N $((length + 2)) -t "$RESP_TIMEOUT_SECONDS" -u "$RESP_FD" RESP_REPLY || return 1
        RESP_REPLY=${RESP_REPLY%$'\r\n'}
        ;;
    '*'*)
        length=${line:1}
        is_number "$length" || return 1
        elements=''
        for ((element = 0; element < length; element++)); do
            resp_read || (($? == 2)) || return 1
            elements+=${elements:+$'\n'}$RESP_REPLY
        done
        RESP_REPLY=$elements
        ;;
    *) return 1 ;;
    esac
}

# One command on a connection of its own; prints the reply. Exit codes as resp_read.
# A subshell, so that a broken connection (SIGPIPE) ends it and not the script.
resp() ( # PORT COMMAND [ARGUMENT…]
    resp_connect "$1" || exit 1
    shift
    RESP_REQUEST=''
    resp_encode "$@"
    resp_flush || exit 1
    status=0
    resp_read || status=$?
    ((status == 1)) || printf '%s\n' "$RESP_REPLY"
    exit "$status"
)

# Prints one field of an INFO text; fails if it is not there.
info_field() { # TEXT NAME
    local pattern=$'\n'$2':([^'$'\r\n'']*)'
    [[ $'\n'$1 =~ $pattern ]] || return 1
    printf '%s\n' "${BASH_REMATCH[1]}"
}

answers() { # PORT
    [[ $(resp "$1" PING) == PONG ]]
}

port_is_taken() { # PORT
    (resp_connect "$1")
}

# ---- waiting -------------------------------------------------------------------------------

# Polls a condition until it holds; fails when the time is over.
wait_until() { # SECONDS CONDITION [ARGUMENT…]
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < end)) || return 1
        sleep 0.05
    done
}

# ---- our processes -------------------------------------------------------------------------

# Whether PID is the server that runs in FOLDER with FOLDER/node.conf (sentinel.conf). Pids are used again by the
# system, so a pid file alone is no proof. Some servers replace their command line by a title such
# as "redis-server 127.0.0.1:7379"; then the port in it and the working directory are the proof.
is_our_server() { # PID FOLDER PORT
    local arguments argument directory
    { mapfile -d '' -t arguments <"/proc/$1/cmdline"; } 2>/dev/null || return 1
    ((${#arguments[@]} > 0)) || return 1 # a process that has ended but is not yet collected
    for argument in "${arguments[@]}"; do
        [[ $argument != "$2/node.conf" && $argument != "$2/sentinel.conf" ]] || return 0
    done
    directory=$(readlink "/proc/$1/cwd" 2>/dev/null) || return 1
    [[ $directory == "$2" && " ${arguments[*]} " == *":$3 "* ]]
}
