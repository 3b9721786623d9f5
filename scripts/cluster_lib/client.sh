# shellcheck shell=bash disable=SC2154,SC2034
# (Variables are those of scripts/cluster and scripts/lib.sh, which source this or are sourced first.)
#
# A small client for who has no redis-cli: single commands, and a prompt. Part of scripts/cluster.
#
# On a terminal replies look as redis-cli prints them, with bytes that are no text as escapes;
# elsewhere they are printed raw, so that `scripts/cluster cli 1 GET image >file` is the value.
# What bash cannot do: an argument cannot hold a zero byte. Options of redis-cli do not exist here.

CLIENT_PRETTY=''
CLIENT_ERROR='' # the last reply was an error

# Prints bytes in double quotes, with escapes. Read from standard input: a variable of bash cannot
# hold a zero byte.
client_quote() {
    local LC_ALL=C parts part index text plain character number
    # The stream is split at zero bytes, and a mark shows whether the last one ended it.
    mapfile -d '' -t parts < <(
        cat
        printf 'x'
    )
    text=''
    for index in "${!parts[@]}"; do
        part=${parts[index]}
        if ((index == ${#parts[@]} - 1)); then part=${part%x}; fi
        ((index == 0)) || text+='\x00'
        while [[ -n $part ]]; do
            plain=${part%%[^ !#-\[\]-~]*}
            text+=$plain
            part=${part:${#plain}}
            [[ -n $part ]] || break
            character=${part:0:1} part=${part:1}
            case $character in
            \\ | '"') text+=\\$character ;;
            $'\n') text+='\n' ;;
            $'\r') text+='\r' ;;
            $'\t') text+='\t' ;;
            $'\a') text+='\a' ;;
            $'\b') text+='\b' ;;
            *)
                printf -v number '%d' "'$character"
                printf -v number '%02x' $((number & 255))
                text+=\\x$number
                ;;
            esac
        done
    done
    printf '"%s"' "$text"
}

# Reads the bytes of a bulk and the CRLF behind it, and prints them.
client_bulk() { # LENGTH
    local ending
    if [[ -n $CLIENT_PRETTY ]]; then
        head -c "$1" <&"$RESP_FD" | client_quote
    else
        head -c "$1" <&"$RESP_FD"
    fi
    IFS= read -r ending <&"$RESP_FD" || return 1
    [[ $ending == $'\r' ]] || return 1
}

# Prints the elements of an array, set or push; with STEP 2 those of a map, in pairs.
client_elements() { # COUNT INDENT STEP
    local number mark=')' width=$((${#1} + 2)) indent=$2
    (($3 == 1)) || mark='#'
    for ((number = 1; number <= $1; number++)); do
        ((number == 1)) || printf '\n'
        if [[ -n $CLIENT_PRETTY ]]; then
            ((number == 1)) || printf '%*s' "$indent" ''
            printf '%*d%s ' "${#1}" "$number" "$mark"
        fi
        client_reply $((indent + width)) || return 1
        (($3 == 2)) || continue
        if [[ -n $CLIENT_PRETTY ]]; then printf ' => '; else printf '\n'; fi
        client_reply $((indent + width)) || return 1
    done
}

client_scalar() { # TEXT [PRETTY]
    if [[ -n $CLIENT_PRETTY ]]; then printf '%s' "${2-$1}"; else printf '%s' "$1"; fi
}

# Reads one reply and prints it, without a line's end. Fails when the connection does.
client_reply() { # [INDENT]
    local line rest indent=${1:-0}
    IFS= read -r line <&"$RESP_FD" || return 1
    line=${line%$'\r'} rest=${line:1}
    ((indent > 0)) || CLIENT_ERROR=''
    case $line in
    +* | '('*) client_scalar "$rest" ;;
    -*)
        ((indent > 0)) || CLIENT_ERROR=yes
        client_scalar "$rest" "(error) $rest"
        ;;
    :*) client_scalar "$rest" "(integer) $rest" ;;
    ,*) client_scalar "$rest" "(double) $rest" ;;
    '#t') client_scalar true '(true)' ;;
    '#f') client_scalar false '(false)' ;;
    '$-1' | '*-1' | _*) client_scalar '' '(nil)' ;;
    [\$=!~\>%*]*)
        is_number "$rest" || return 1
        client_aggregate "${line:0:1}" "$rest" "$indent"
        ;;
    *) return 1 ;;
    esac
}

# What has a length: bulks and collections.
client_aggregate() { # KIND LENGTH INDENT
    case $1 in
    '$') client_bulk "$2" ;;
    '=') # text that is meant for people: never quoted
        local CLIENT_PRETTY=''
        IFS= read -r -N 4 _ <&"$RESP_FD" || return 1
        client_bulk $(($2 - 4))
        ;;
    '!')
        (($3 > 0)) || CLIENT_ERROR=yes
        client_scalar '' '(error) '
        local CLIENT_PRETTY=''
        client_bulk "$2"
        ;;
    '%') if (($2 == 0)); then client_scalar '' '(empty hash)'; else client_elements "$2" "$3" 2; fi ;;
    *) if (($2 == 0)); then client_scalar '' '(empty array)'; else client_elements "$2" "$3" 1; fi ;;
    esac
}

client_line() {
    client_reply || return 1
    printf '\n'
}

# Sends a command and prints its reply; those that go on answering are printed until Ctrl-C.
client_command() { # COMMAND [ARGUMENT…]
    local CLIENT_PRETTY=$CLIENT_PRETTY
    case "${1,,} ${2:-}" in
    info* | lolwut* | *' '[Dd][Oo][Cc][Tt][Oo][Rr] | client' '[Ll][Ii][Ss][Tt] | client' '[Ii][Nn][Ff][Oo])
        CLIENT_PRETTY='' # text for people
        ;;
    esac
    RESP_REQUEST=''
    resp_encode "$@"
    resp_flush || return 1
    client_line || return 1
    case ${1,,} in
    monitor | subscribe | psubscribe | ssubscribe | sync | psync)
        [[ -z $CLIENT_ERROR ]] || return 0
        while client_line; do :; done
        return 1
        ;;
    esac
}

# Splits a line into words as redis-cli does, into CLIENT_WORDS. Fails on unbalanced quotes.
client_split() { # LINE
    local line=$1 word character escape code
    CLIENT_WORDS=()
    while :; do
        line=${line#"${line%%[![:space:]]*}"}
        [[ -n $line ]] || return 0
        word=''
        while [[ -n $line && $line != [[:space:]]* ]]; do
            character=${line:0:1} line=${line:1}
            case $character in
            '"')
                while [[ $line != '"'* ]]; do
                    [[ -n $line ]] || return 1
                    if [[ $line =~ ^\\x([0-9a-fA-F]{2}) ]]; then
                        code=${BASH_REMATCH[1]} line=${line:4}
                        [[ $code != 00 ]] || {
                            note 'a zero byte cannot be sent from here'
                            return 1
                        }
                        printf -v escape '%b' "\\x$code"
                        word+=$escape
                    elif [[ $line == \\* ]]; then
                        escape=${line:1:1} line=${line:2}
                        [[ -n $escape ]] || return 1
                        case $escape in
                        n) word+=$'\n' ;;
                        r) word+=$'\r' ;;
                        t) word+=$'\t' ;;
                        b) word+=$'\b' ;;
                        a) word+=$'\a' ;;
                        *) word+=$escape ;;
                        esac
                    else
                        word+=${line:0:1} line=${line:1}
                    fi
                done
                line=${line:1}
                [[ -z $line || $line == [[:space:]]* ]] || return 1
                ;;
            "'")
                while [[ $line != "'"* ]]; do
                    [[ -n $line ]] || return 1
                    [[ $line != "\\'"* ]] || line=${line:1}
                    word+=${line:0:1} line=${line:1}
                done
                line=${line:1}
                [[ -z $line || $line == [[:space:]]* ]] || return 1
                ;;
            *) word+=$character ;;
            esac
        done
        CLIENT_WORDS+=("$word")
    done
}

# The prompt; without a terminal, one command per line of standard input.
client_prompt() { # NODE PORT
    local line database=0 failed='' input=()
    [[ ! -t 0 ]] || input=(-e -p "127.0.0.1:$2> ")
    [[ ! -t 0 ]] || note "redis-cli is not installed, this is a small client: commands, and quit"
    while IFS= read -r "${input[@]}" line || [[ -n $line ]]; do
        client_split "$line" || {
            printf 'Invalid argument(s)\n'
            failed=yes
            continue
        }
        ((${#CLIENT_WORDS[@]} > 0)) || continue
        [[ ! -t 0 ]] || history -s -- "$line"
        [[ ${CLIENT_WORDS[0],,} != exit && ${CLIENT_WORDS[0],,} != quit ]] || break
        if [[ -z $RESP_FD ]]; then
            resp_connect "$2" || {
                note "$1 does not answer"
                failed=yes
                continue
            }
            database=0
        fi
        if ! client_command "${CLIENT_WORDS[@]}"; then
            resp_close
            note "$1 closed the connection"
            failed=yes
        fi
        if [[ -n $CLIENT_ERROR ]]; then
            failed=yes
        elif [[ ${CLIENT_WORDS[0],,} == select && ${#CLIENT_WORDS[@]} == 2 ]]; then
            database=${CLIENT_WORDS[1]}
        fi
        if [[ -t 0 ]]; then
            if [[ $database == 0 ]]; then input[2]="127.0.0.1:$2> "; else input[2]="127.0.0.1:$2[$database]> "; fi
        fi
    done
    [[ ! -t 0 ]] || return 0
    [[ -z $failed ]]
}

# Talks to a node: by redis-cli or valkey-cli where there is one, else by what is here.
client() { # NODE PORT [COMMAND…]
    local name=$1 port=$2 program
    shift 2
    for program in redis-cli valkey-cli; do
        ! command -v "$program" >/dev/null || exec "$program" -p "$port" "$@"
    done
    [[ ${1:-} != -* ]] || die "redis-cli is not installed, and its option $1 with it; commands work without"
    trap '' PIPE
    [[ ! -t 1 ]] || CLIENT_PRETTY=yes
    resp_connect "$port" || die "$name does not answer"
    if (($# == 0)); then
        client_prompt "$name" "$port" || exit 1
        return
    fi
    client_command "$@" || die "$name closed the connection"
    [[ -z $CLIENT_ERROR ]] || exit 1
}
