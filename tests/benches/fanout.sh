#!/bin/sh
# What a delivery costs: chatring over RESP and over IRC beside redis-server, nats-server and a loop that only writes, on this machine, in
# this run; what a second copy of every group adds to that; and what an idle connection weighs, beside mosquitto as well. Servers that are not installed are left out.
#
#   tests/benches/fanout.sh [rounds]         default 5; the servers take turns in each, and medians are shown
#
# SUBS (1000), MSGS (10000), SIZE (64), WINDOW (512: how many messages publishers may be ahead, and so how many there are to write at once), PAIR (1; 0 leaves the copies out), IDLE (10000; 0 leaves the weighing out), BASE_PORT (17400), CHATCTL (a built chatctl).
# Needs an open-file limit above IDLE. Ends what it started and nothing else.
set -eu

cd "$(dirname "$0")/../.."
rounds=${1:-5}
subs=${SUBS:-1000} msgs=${MSGS:-10000} size=${SIZE:-64} window=${WINDOW:-512} pair=${PAIR:-1} idle=${IDLE:-10000} base=${BASE_PORT:-17400}
if [ -z "${CHATCTL:-}" ]; then
    cargo build --release --quiet --bin chatctl
    CHATCTL=${CARGO_TARGET_DIR:-target}/release/chatctl
fi
if [ "$idle" -gt 0 ]; then ulimit -n "$((idle + 1000))" || { echo "cannot open $idle connections: raise ulimit -n" >&2; exit 2; }; fi

dir=$(mktemp -d)
started=
end() {
    for pid in $started; do kill "$pid" 2>/dev/null || :; done
    for pid in $started; do wait "$pid" 2>/dev/null || :; done
    started=
}
trap 'end; rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM

has() { command -v "$1" >/dev/null 2>&1; }
PATH=$PATH:/usr/sbin:/sbin

# answers PORT: somebody listens there, within ten seconds.
answers() {
    tries=0
    until "$CHATCTL" bench fanout --target "127.0.0.1:$1" --protocol "$2" --idle 1 --settle 0 >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ $tries -lt 50 ] || { echo "nothing answers at port $1; see $dir" >&2; cat "$dir"/*.log >&2; exit 3; }
        sleep 0.2
    done
}

start_redis() {
    redis-server --bind 127.0.0.1 --port $((base + 50)) --save '' --appendonly no --maxclients 20000 >"$dir/redis.log" 2>&1 &
    started="$started $!"
    answers $((base + 50)) redis
}
start_nats() {
    nats-server -a 127.0.0.1 -p $((base + 51)) >"$dir/nats.log" 2>&1 &
    started="$started $!"
    answers $((base + 51)) nats
}
start_mosquitto() {
    printf 'listener %s 127.0.0.1\nallow_anonymous true\n' $((base + 52)) >"$dir/mosquitto.conf"
    mosquitto -c "$dir/mosquitto.conf" >"$dir/mosquitto.log" 2>&1 &
    started="$started $!"
    answers $((base + 52)) mqtt
}
# So many super nodes; sets directory, node_pids and demo_pid.
start_demo() {
    rm -f "$dir/ready"
    "$CHATCTL" demo --super-nodes "$1" --base-port "$base" --ready-file "$dir/ready" >"$dir/chatring.log" 2>&1 &
    demo_pid=$!
    started="$started $demo_pid"
    tries=0
    until [ -s "$dir/ready" ]; do
        tries=$((tries + 1))
        [ $tries -lt 150 ] || { echo "chatring does not start:" >&2; cat "$dir/chatring.log" >&2; exit 3; }
        sleep 0.2
    done
    directory=$(tr -d '\n' <"$dir/ready" | sed 's/"super_nodes".*//' | sed -n 's/.*"address": *"\([^"]*\)".*/\1/p')
    node_pids=$(tr -d '\n' <"$dir/ready" | sed 's/.*"super_nodes"//' | grep -o '"pid": *[0-9]*' | grep -o '[0-9]*' | paste -sd, -)
}
# One directory and one super node; sets resp, irc and node_pid, too.
start_chatring() {
    start_demo 1
    # What follows "super_nodes" is about the one there is.
    node=$(tr -d '\n' <"$dir/ready" | sed 's/.*"super_nodes"//')
    field() { printf '%s' "$node" | sed -n "s/.*\"$1\": *\"\{0,1\}\([^\",}]*\).*/\1/p"; }
    resp=$(field address) irc=$(field irc) node_pid=$(field pid)
    # A super node at the standard port is written without it.
    case $resp in *:*) ;; *) resp=$resp:7411 ;; esac
}

median() { sort -n | awk '{ v[NR] = $1 } END { if (NR) print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
figure() { sed -n "s/.*\"$1\":\(-\{0,1\}[0-9.e-]*\).*/\1/p"; }

# measure NAME ARGS...: one run, its JSON kept.
measure() {
    name=$1; shift
    "$CHATCTL" bench fanout --json --subs "$subs" --msgs "$msgs" --size "$size" --window "$window" "$@" >>"$dir/$name.json" || { echo "$name: the run failed" >&2; exit 1; }
}
measure_all() {
    if has redis-server; then measure redis --protocol redis --target "127.0.0.1:$((base + 50))"; fi
    if has nats-server; then measure nats --protocol nats --target "127.0.0.1:$((base + 51))"; fi
    measure chatring --protocol resp --target "$resp" --server-pid "$node_pid"
    measure chatring-irc --protocol irc --target "$irc" --server-pid "$node_pid"
}

if has redis-server; then start_redis; fi
if has nats-server; then start_nats; fi
start_chatring
floor=
if [ -f core/reactor/examples/write_floor.rs ]; then
    if cargo build --release --quiet -p chatring-reactor --example write_floor; then floor=${CARGO_TARGET_DIR:-target}/release/examples/write_floor; fi
fi
round=0
while [ $round -lt "$rounds" ]; do
    measure_all
    if [ -n "$floor" ]; then "$floor" "$subs" "$msgs" "$((window / 2))" >>"$dir/floor.txt"; fi
    round=$((round + 1))
done
end

echo "Fan-out to $subs subscribers, $msgs messages of $size bytes, window $window, medians of $rounds rounds:"
printf '%-14s %18s %16s %12s\n' server 'CPU/delivery (us)' deliveries/s 'p99 (us)'
for name in redis nats chatring chatring-irc; do
    [ -f "$dir/$name.json" ] || continue
    printf '%-14s %18.3f %16.0f %12.0f\n' $name "$(figure cpu_us_per_delivery <"$dir/$name.json" | median)" \
        "$(figure deliveries_per_s <"$dir/$name.json" | median)" "$(figure p99 <"$dir/$name.json" | median)"
done
# The example measures two loops in its own process: one that only writes, and the reactor without a machine.
for name in floor reactor; do
    [ -f "$dir/floor.txt" ] || continue
    printf '%-14s %18.3f\n' $name "$(sed -n "s/^$name *\([0-9.]*\).*/\1/p" <"$dir/floor.txt" | median)"
done

# replicated GROUPS MSGS: one node alone beside two, each a process of its own, where each group has a master on one and a standby on the other. The CPU time of both is added up, and
# that of redis-server stands beside it. The groups are those whose master is the node that is spoken to.
replicated() {
    rm -f "$dir"/pair-*.json
    if has redis-server; then start_redis; fi
    load="--groups $1 --msgs $2 --subs $subs --size $size --window $window --json"
    round=0
    while [ $round -lt "$rounds" ]; do
        if has redis-server; then measure_pair redis --protocol redis --target "127.0.0.1:$((base + 50))"; fi
        for nodes in 1 2; do
            start_demo $nodes
            measure_pair chatring-$nodes --directory "$directory" --server-pid "$node_pids"
            kill "$demo_pid" && wait "$demo_pid" || :
        done
        round=$((round + 1))
    done
    end
    echo
    echo "The same with a second copy: $subs subscribers in $1 groups, $2 messages, medians of $rounds rounds, CPU of all nodes together:"
    printf '%-14s %18s\n' server 'CPU/delivery (us)'
    for name in redis chatring-1 chatring-2; do
        [ -f "$dir/pair-$name.json" ] || continue
        cost=$(figure cpu_us_per_delivery <"$dir/pair-$name.json" | median)
        printf '%-14s %18.3f\n' $name "$cost"
        case $name in chatring-1) alone=$cost ;; chatring-2) echo "$cost $alone" | awk '{ printf "a pair costs %.2f times what one node costs\n", $1 / $2 }' ;; esac
    done
}
measure_pair() {
    name=$1; shift
    # shellcheck disable=SC2086 # several words
    "$CHATCTL" bench fanout $load "$@" >>"$dir/pair-$name.json" || { echo "$name: the run failed" >&2; exit 1; }
}
if [ "$pair" -gt 0 ]; then
    replicated 1 "$msgs"
    # Ten subscribers a group: as many messages as make a tenth of the deliveries.
    replicated $((subs / 10)) "$((msgs * 10))"
fi

[ "$idle" -gt 0 ] || exit 0
# Each in a fresh process: memory that was used and freed before would hide what connections take.
weigh() {
    name=$1; shift
    "$CHATCTL" bench fanout --json --idle "$idle" --groups 100 "$@" >"$dir/idle.json" || { echo "$name: the run failed" >&2; exit 1; }
    printf '%-14s %12.0f %14.0f\n' "$name" "$(figure rss_per_connection <"$dir/idle.json")" "$(figure anonymous_per_connection <"$dir/idle.json")"
    end
}
echo
echo "Memory per connection, $idle joined and idle in 100 groups, bytes:"
printf '%-14s %12s %14s\n' server resident anonymous
if has redis-server; then start_redis; weigh redis --protocol redis --target "127.0.0.1:$((base + 50))"; fi
if has nats-server; then start_nats; weigh nats --protocol nats --target "127.0.0.1:$((base + 51))"; fi
if has mosquitto; then start_mosquitto; weigh mosquitto --protocol mqtt --target "127.0.0.1:$((base + 52))"; fi
start_chatring; weigh chatring --protocol resp --target "$resp" --server-pid "$node_pid"
start_chatring; weigh chatring-irc --protocol irc --target "$irc" --server-pid "$node_pid"
