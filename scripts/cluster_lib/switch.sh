# shellcheck shell=bash disable=SC2154,SC2034
# (Variables are those of scripts/cluster and scripts/lib.sh, which source this or are sourced first.)
#
# The planned switch of the primary, without a loss. Part of scripts/cluster.
#
# ```text
# step       what happens                                              if it fails, or the script is ended
# ---------  --------------------------------------------------------  ------------------------------------
# ready      the replica is nearly as far as the primary               nothing has changed
# paused     writes wait on the primary (CLIENT PAUSE … WRITE)         the pause is ended; by itself, too
# reached    the replica has all that was acknowledged before          the same
# fenced     the old primary follows a port where no primary is:       it is made the primary again
#            it can acknowledge nothing any more, pause or no pause
# promoted   the replica has its last offset, and is the primary       there is no way back: what is left to
#            (REPLICAOF NO ONE, or by the Sentinels)                   do is done, or named
# ```
#
# A planned SENTINEL FAILOVER promotes first and demotes the old primary seconds later; what it
# acknowledges in between is lost. Here at no moment two nodes take writes, whoever dies. Clients
# notice a pause, then READONLY from the old primary, and have to connect to the new one.
#
# The fence is the old primary's own port: a node that follows itself has no link, gives no data
# and takes none, while its replicas keep theirs and get what is still on its way. Two nodes that
# follow each other would have links, and send each other's stream around.

pause_seconds=${TIDEMARK_PAUSE:-10}
near_bytes=1000000
answer_seconds=2 # how long an answer may take while writes wait

switch_step=none
switch_hook=()

# Milliseconds of a clock that nobody sets.
steady_ms() {
    local up
    read -r up _ </proc/uptime
    printf '%d\n' $((10#${up/./} * 10))
}

# One command on a connection that is kept.
ask() { # DESCRIPTOR COMMAND…
    RESP_FD=$1
    shift
    RESP_REQUEST=''
    resp_encode "$@"
    resp_flush && resp_read
}

stream_offset() { # DESCRIPTOR
    ask "$1" INFO replication && info_field "$RESP_REPLY" master_repl_offset
}

# Runs the hook, if there is one, with a step before the promotion that has been taken.
after_step() { # STEP
    switch_step=$1
    ((${#switch_hook[@]} == 0)) || "${switch_hook[@]}" "$1" "$switch_old" "$switch_new" ||
        switch_failed "the hook failed after the step '$1'"
}

# Waits until the replica has the primary's offset. The primary is asked first.
reach() { # SECONDS
    local end wanted got
    end=$(($(steady_ms) + $1 * 1000))
    while :; do
        wanted=$(stream_offset "$switch_old_fd") || switch_failed "$switch_old does not answer"
        got=$(stream_offset "$switch_new_fd") || switch_failed "$switch_new does not answer"
        ((got < wanted)) || break
        (($(steady_ms) < end)) || switch_failed "$switch_new has not reached offset $wanted in $1 s, it is at $got"
    done
    switch_offset=$wanted
}

# Whether a node acts as primary: 0 yes, 1 no, 2 it does not answer.
acts_as_primary() { # NODE
    local info
    info=$(resp "$(node_port "$1")" INFO replication) || return 2
    [[ $(info_field "$info" role) == master ]]
}

# Undoes what was done, says so, and ends.
switch_failed() { # WHAT
    trap '' INT TERM
    trap - EXIT
    note "$1"
    case $switch_step in
    none | ready) note "nothing has changed: $switch_old is the primary" ;;
    paused | reached)
        if resp "$switch_old_port" CLIENT UNPAUSE >/dev/null; then
            note "undone: writes go on, $switch_old is the primary"
        else
            note "$switch_old does not answer; if it lives, its pause ends by itself after $pause_seconds s"
        fi
        ;;
    fenced) take_fence_away ;;
    esac
    restore_priority
    exit 1
}

take_fence_away() {
    if resp "$switch_old_port" REPLICAOF NO ONE >/dev/null; then
        resp "$switch_old_port" CLIENT UNPAUSE >/dev/null || true
        note "undone: writes go on, $switch_old is the primary again"
        acts_as_primary "$switch_new" || (($? == 1)) ||
            note "$switch_new does not answer; should it come back as a primary: scripts/cluster promote $switch_old"
    else
        note "$switch_old does not answer either: no node takes writes; choose one with: scripts/cluster promote NODE"
    fi
}

# ---- under Sentinels -----------------------------------------------------------------------

switch_sentinel='' # the one that is asked for the failover
switch_priority='' # what the replica's priority was before

# Chooses a Sentinel and makes it prefer the replica. Sentinels ask replicas every ten seconds, so
# this takes its time; writes do not wait yet.
prepare_sentinels() {
    local name reply
    for name in $(sentinel_names); do
        [[ $(sentinel_field "$name" flags) == master ]] || continue
        reply=$(resp "$(node_port "$name")" SENTINEL CKQUORUM "$master_name") ||
            switch_failed "$name: ${reply:-no answer}"
        switch_sentinel=$name
        break
    done
    [[ -n $switch_sentinel ]] || switch_failed "no Sentinel is there for a failover, or one is under way"
    reply=$(resp "$switch_new_port" CONFIG GET replica-priority) || switch_failed "$switch_new does not answer"
    switch_priority=${reply##*$'\n'}
    reply=$(resp "$switch_new_port" CONFIG SET replica-priority 1) || switch_failed "$switch_new: $reply"
    wait_until "$wait_seconds" is_preferred ||
        switch_failed "$switch_sentinel does not prefer $switch_new, or finds it unfit, after $wait_seconds s"
}

# Whether the Sentinel knows the replica's new priority, and of no other replica that is as good.
is_preferred() {
    local replies line field='' port='' priority='' found='' count=0
    replies=$(resp "$(node_port "$switch_sentinel")" SENTINEL REPLICAS "$master_name") || return 1
    while IFS= read -r line; do
        ((++count % 2 == 0)) || {
            field=$line
            continue
        }
        case $field in
        port) port=$line ;;
        flags) [[ $port != "$switch_new_port" || $line == slave ]] || return 1 ;;
        slave-priority)
            priority=$line
            if [[ $port == "$switch_new_port" ]]; then
                [[ $priority == 1 ]] || return 1
                found=yes
            else
                [[ $priority != 1 ]] || return 1
            fi
            ;;
        esac
    done <<<"$replies"
    [[ -n $found ]]
}

# Sentinel writes the configuration of a node that it promotes, with the priority of that moment.
restore_priority() {
    [[ -n $switch_priority ]] || return 0
    if resp "$switch_new_port" CONFIG SET replica-priority "$switch_priority" >/dev/null; then
        resp "$switch_new_port" CONFIG REWRITE >/dev/null || true
    else
        note "$switch_new does not answer; its replica-priority was $switch_priority, and is 1 now"
    fi
    switch_priority=''
}

has_no_failover() {
    local flags
    flags=$(sentinel_field "$switch_sentinel" flags) && [[ $flags != *failover_in_progress* ]]
}

# The node that acts as primary, whichever it is.
acting_primary() {
    local name
    for name in $(node_names); do
        ! is_running "$name" || ! acts_as_primary "$name" || {
            printf '%s\n' "$name"
            return
        }
    done
    return 1
}

promote_by_sentinels() {
    local reply port end
    port=$(node_port "$switch_sentinel")
    end=$(($(steady_ms) + 2 * failover_timeout_ms))
    reply=$(resp "$port" SENTINEL FAILOVER "$master_name") || switch_failed "$switch_sentinel: ${reply:-no answer}"
    # Until its attempt is over nobody else may be made primary.
    until switch_promoted=$(acting_primary); do
        sleep 0.02
        ! has_no_failover || switch_promoted=$(acting_primary) ||
            switch_failed "the Sentinels did not promote $switch_new"
        [[ -n $switch_promoted ]] || is_running "$switch_sentinel" ||
            switch_failed "$switch_sentinel has ended"
        [[ -z $switch_promoted ]] || break
        (($(steady_ms) < end)) ||
            switch_failed "$switch_sentinel does not come to an end; should it promote another node yet: scripts/cluster status"
    done
}

sentinels_agree() { # PRIMARY'S PORT
    local name
    for name in $(sentinel_names); do
        is_running "$name" || continue
        [[ $(resp "$(node_port "$name")" SENTINEL GET-MASTER-ADDR-BY-NAME "$master_name") == *$'\n'"$1" ]] ||
            return 1
    done
    has_no_failover
}

# ---- the switch ----------------------------------------------------------------------------

promote_by_order() {
    local status=0
    ask "$switch_new_fd" REPLICAOF NO ONE || status=$?
    ((status == 2)) && switch_failed "$switch_new refused: $RESP_REPLY"
    # Without an answer it may have taken the order all the same: then there is no way back.
    ((status == 0)) || acts_as_primary "$switch_new" || switch_failed "$switch_new does not answer"
    switch_promoted=$switch_new
}

cmd_switch() {
    local name reply info old_info begun ended left=''
    while (($# > 0)); do
        case $1 in
        --hook)
            [[ -n ${2:-} ]] || usage_error "--hook wants a program"
            reply=$(runnable "$2") || usage_error "--hook: cannot run $2"
            switch_hook=("$reply")
            shift 2
            ;;
        -*) usage_error "switch: unknown argument $1" ;;
        *)
            [[ -z ${switch_new:-} ]] || usage_error "switch wants one node"
            switch_new=$1
            shift
            ;;
        esac
    done
    [[ -n ${switch_new:-} ]] || usage_error "switch wants a node"
    { is_number "$pause_seconds" && ((pause_seconds >= 1)); } || usage_error "TIDEMARK_PAUSE wants a number of seconds"
    need_cluster
    switch_new=$(find_data_node "$switch_new")
    switch_old=$(current_primary)
    [[ $switch_new != "$switch_old" ]] || {
        printf '%s is the primary already\n' "$switch_new"
        return
    }
    switch_new_port=$(node_port "$switch_new") switch_old_port=$(node_port "$switch_old")
    says_primary "$switch_old" ||
        die "$switch_old, the primary, does not run or answer; if it is gone: scripts/cluster promote $switch_new"
    info=$(node_info "$switch_new") || die "$switch_new does not run or does not answer"
    old_info=$(node_info "$switch_old") || die "$switch_old does not answer"
    [[ $(info_field "$info" role) == slave && $(info_field "$info" master_link_status) == up &&
        $(info_field "$info" master_replid) == "$(info_field "$old_info" master_replid)" ]] ||
        die "$switch_new has no link to $switch_old: it does not have its data"

    RESP_TIMEOUT_SECONDS=$answer_seconds
    trap '' PIPE
    trap 'switch_failed interrupted' INT TERM HUP
    trap 'switch_failed "ended by an error"' EXIT
    resp_connect "$switch_old_port" || switch_failed "$switch_old does not answer"
    switch_old_fd=$RESP_FD
    resp_connect "$switch_new_port" || switch_failed "$switch_new does not answer"
    switch_new_fd=$RESP_FD
    ! has_sentinels || prepare_sentinels
    wait_until "$wait_seconds" is_near || switch_failed "$switch_new is more than $near_bytes bytes behind $switch_old"
    after_step ready

    begun=${EPOCHREALTIME/[.,]/}
    # From the first byte on, what was asked for may have been done.
    switch_step=paused
    ask "$switch_old_fd" CLIENT PAUSE $((pause_seconds * 1000)) WRITE ||
        switch_failed "$switch_old does not pause writes: ${RESP_REPLY:-no answer}"
    after_step paused
    reach $(((pause_seconds + 1) / 2))
    after_step reached
    switch_step=fenced
    ask "$switch_old_fd" REPLICAOF 127.0.0.1 "$switch_old_port" ||
        switch_failed "$switch_old does not step down: ${RESP_REPLY:-no answer}"
    after_step fenced
    reach 5
    if has_sentinels; then promote_by_sentinels; else promote_by_order; fi
    trap '' INT TERM HUP
    trap - EXIT
    RESP_TIMEOUT_SECONDS=5
    ended=${EPOCHREALTIME/[.,]/}

    # There is no way back from here, so all is tried, and what does not work is named.
    remember_primary "$switch_promoted"
    resp "$switch_old_port" CLIENT UNPAUSE >/dev/null || true
    ((${#switch_hook[@]} == 0)) || "${switch_hook[@]}" promoted "$switch_old" "$switch_new" || {
        note "the hook failed after the step 'promoted'"
        left=yes
    }
    info=$(node_port "$switch_promoted")
    for name in $(node_names); do
        if [[ $name == "$switch_promoted" ]]; then write_role "$name" && continue; fi
        write_role "$name" "$info"
        is_running "$name" || continue
        reply=$(resp "$(node_port "$name")" REPLICAOF 127.0.0.1 "$info") || {
            note "$name does not follow $switch_promoted: ${reply:-no answer}"
            left=yes
        }
    done
    if has_sentinels; then
        # As Sentinel does it: clients of the old primary come back and ask who is the new one.
        resp "$switch_old_port" CLIENT KILL TYPE normal >/dev/null || true
        resp "$switch_old_port" CLIENT KILL TYPE pubsub >/dev/null || true
        wait_until "$wait_seconds" sentinels_agree "$info" || {
            note "not all Sentinels hold $switch_promoted for the primary after $wait_seconds s"
            left=yes
        }
        restore_priority
    fi
    printf '%s is the primary\n' "$switch_promoted"
    printf 'writes paused  %d ms\n' $(((ended - begun) / 1000))
    printf 'offset         %s, when %s stepped down\n' "$switch_offset" "$switch_old"
    if [[ $switch_promoted == "$switch_new" ]]; then
        printf 'lost           0 bytes: %s had them all\n\n' "$switch_new"
    else
        note "the Sentinels chose $switch_promoted, not $switch_new: whether it had all is not known"
        left=yes
    fi
    [[ -n $left ]] || wait_for_links "$switch_promoted" "$info"
    print_table
    print_sentinels
    [[ -z $left ]] || exit 1
}

is_near() {
    local old new
    old=$(stream_offset "$switch_old_fd") && new=$(stream_offset "$switch_new_fd") && ((old - new <= near_bytes))
}
