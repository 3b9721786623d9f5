# shellcheck shell=bash disable=SC2154,SC2034
# (Variables are those of scripts/cluster and scripts/lib.sh, which source this or are sourced first.)
#
# Sentinels over the nodes: real ones, of Redis or Valkey. Part of scripts/cluster.
#
# A folder sentinel-N holds sentinel.conf, which the Sentinel itself keeps up to date, its log and
# its pid. Where there are Sentinels, they say who is the primary: the one with the newest
# configuration (config-epoch) is believed, also by what it has left on disk when none runs.

master_name=mymaster
down_after_ms=3000
failover_timeout_ms=20000

# Prints the names of all Sentinels, in order.
sentinel_names() {
    local number
    for ((number = 1; ; number++)); do
        [[ -f $nodes/sentinel-$number/sentinel.conf ]] || return 0
        printf 'sentinel-%d\n' "$number"
    done
}

has_sentinels() { [[ -f $nodes/sentinel-1/sentinel.conf ]]; }

# Prints the program, and `--sentinel` on a second line if it needs to be told.
sentinel_program() {
    local program path
    if [[ -n ${TIDEMARK_SENTINEL:-} ]]; then
        path=$(runnable "$TIDEMARK_SENTINEL") || die "TIDEMARK_SENTINEL: cannot run $TIDEMARK_SENTINEL"
        printf '%s\n' "$path"
        [[ ${path##*/} == *sentinel* ]] || printf '%s\n' --sentinel
        return
    fi
    for program in redis-sentinel valkey-sentinel redis-server valkey-server; do
        path=$(runnable "$program") || continue
        printf '%s\n' "$path"
        [[ $program == *-sentinel ]] || printf '%s\n' --sentinel
        return
    done
    die "no redis-sentinel in PATH: install it (Debian: apt-get install redis-sentinel) or name one by TIDEMARK_SENTINEL"
}

write_sentinel() { # NAME PORT PRIMARY'S PORT QUORUM
    local folder=$nodes/$1
    mkdir -p "$folder"
    cat >"$folder/sentinel.conf" <<END
$marker
port $2
bind 127.0.0.1
dir $(quoted "$folder")
logfile $(quoted "$folder/server.log")
pidfile $(quoted "$folder/server.pid")
daemonize no
sentinel monitor $master_name 127.0.0.1 $3 $4
sentinel down-after-milliseconds $master_name $down_after_ms
sentinel failover-timeout $master_name $failover_timeout_ms
sentinel parallel-syncs $master_name 1
END
}

# Prints a field of what a running Sentinel knows of the primary.
sentinel_field() { # SENTINEL FIELD
    local text name value
    text=$(resp "$(node_port "$1")" SENTINEL MASTER "$master_name") || return 1
    while IFS= read -r name && IFS= read -r value; do
        [[ $name != "$2" ]] || {
            printf '%s\n' "$value"
            return
        }
    done <<<"$text"
    return 1
}

# Prints "EPOCH PORT" of the primary as this Sentinel sees it, or saw it when it ended.
sentinel_opinion() { # SENTINEL
    local first second third rest port='' epoch=0
    if is_running "$1" && port=$(resp "$(node_port "$1")" SENTINEL GET-MASTER-ADDR-BY-NAME "$master_name"); then
        port=${port##*$'\n'}
        epoch=$(sentinel_field "$1" config-epoch) || epoch=0
    else
        while read -r first second third rest; do
            [[ $first == sentinel && $third == "$master_name" ]] || continue
            case $second in
            monitor) rest=${rest#* } port=${rest%% *} ;;
            config-epoch) epoch=$rest ;;
            esac
        done <"$nodes/$1/sentinel.conf"
    fi
    [[ -n $port ]] || return 1
    printf '%s %s\n' "$epoch" "$port"
}

# Prints the name of the node that the Sentinels hold for the primary.
primary_by_sentinels() {
    local sentinel opinion best=-1 port=''
    for sentinel in $(sentinel_names); do
        opinion=$(sentinel_opinion "$sentinel") || continue
        ((${opinion% *} > best)) || continue
        best=${opinion% *} port=${opinion#* }
    done
    [[ -n $port ]] || return 1
    find_node "$port"
}

launch_sentinel() { # SENTINEL
    local program
    mapfile -t program < <(sentinel_program)
    ((${#program[@]} > 0)) || exit 1 # it has said why
    run_detached "$1" "${program[0]}" "$(config_of "$1")" "${program[@]:1}"
}

# Whether this Sentinel knows the primary, all nodes and all other Sentinels.
sentinel_is_whole() { # SENTINEL PRIMARY'S PORT
    [[ $(resp "$(node_port "$1")" SENTINEL GET-MASTER-ADDR-BY-NAME "$master_name") == *$'\n'"$2" ]] || return 1
    [[ $(sentinel_field "$1" flags) == master ]] || return 1
    (($(sentinel_field "$1" num-slaves) >= $(node_names | wc -l) - 1)) || return 1
    (($(sentinel_field "$1" num-other-sentinels) >= $(sentinel_names | wc -l) - 1))
}

wait_for_sentinels() { # PRIMARY
    local name
    for name in $(sentinel_names); do
        is_running "$name" || continue
        wait_until "$wait_seconds" sentinel_is_whole "$name" "$(node_port "$1")" ||
            die "$name does not see all nodes and Sentinels after $wait_seconds s; see: scripts/cluster logs $name"
    done
}

print_sentinels() {
    local name pid state primary known
    local row='%-12s %7s %6s  %-9s %-10s %9s %9s %7s\n'
    has_sentinels || return 0
    # shellcheck disable=SC2059 # the format is the constant above
    printf "\n$row" SENTINEL PID PORT STATE PRIMARY REPLICAS SENTINELS QUORUM
    for name in $(sentinel_names); do
        primary=- known=(- - -) state=up
        if ! pid=$(node_pid "$name"); then
            pid=- state=down
        elif ! known[0]=$(sentinel_field "$name" num-slaves); then
            known[0]=- state='no answer'
        else
            primary=$(sentinel_opinion "$name") || primary=-
            primary=$(find_node "${primary#* }" 2>/dev/null) || primary="port ${primary#* }"
            known[1]=$(($(sentinel_field "$name" num-other-sentinels || printf -- -1) + 1))
            known[2]=$(sentinel_field "$name" quorum) || known[2]=-
            [[ $(sentinel_field "$name" flags) == master ]] || primary+=' (down)'
        fi
        # shellcheck disable=SC2059
        printf "$row" "$name" "$pid" "$(node_port "$name")" "$state" "$primary" "${known[@]}"
    done
}
