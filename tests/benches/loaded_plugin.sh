#!/bin/sh
# What a delivery costs through a transport that was loaded from a library, beside the same one linked in: IRC, on this machine, in this run.
#
#   tests/benches/loaded_plugin.sh [rounds]         default 5; the two take turns in each, and medians are shown
#
# SUBS (1000), MSGS (10000), SIZE (64), WINDOW (512), BASE_PORT (17600), CHATCTL (a built chatctl). Ends what it started and nothing else.
set -eu

cd "$(dirname "$0")/../.."
rounds=${1:-5}
subs=${SUBS:-1000} msgs=${MSGS:-10000} size=${SIZE:-64} window=${WINDOW:-512} base=${BASE_PORT:-17600}
target=${CARGO_TARGET_DIR:-target}
if [ -z "${CHATCTL:-}" ]; then
    cargo build --release --quiet --bin chatctl
    CHATCTL=$target/release/chatctl
fi
# Beside the workspace's own target directory: there, the same file without its entry point lies where this one would.
cargo build --release --quiet -p chatring-irc --features export --target-dir "$target/plugins"
library=$(pwd)/$target/plugins/release/libchatring_irc.so
case $target in /*) library=$target/plugins/release/libchatring_irc.so ;; esac

dir=$(mktemp -d)
started=
end() {
    for pid in $started; do kill "$pid" 2>/dev/null || :; done
    for pid in $started; do wait "$pid" 2>/dev/null || :; done
}
trap 'end; rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM

# start NAME PORT: one directory and one super node; keeps what it says of itself in $dir/NAME.ready.
start() {
    "$CHATCTL" demo --super-nodes 1 --base-port "$2" --ready-file "$dir/$1.ready" >"$dir/$1.log" 2>&1 &
    started="$started $!"
    tries=0
    until [ -s "$dir/$1.ready" ]; do
        tries=$((tries + 1))
        [ $tries -lt 150 ] || { cat "$dir/$1.log" >&2; exit 3; }
        sleep 0.2
    done
}
# field NAME KEY: of its super node.
field() { tr -d '\n' <"$dir/$1.ready" | sed 's/.*"super_nodes"//' | sed -n "s/.*\"$2\": *\"\{0,1\}\([^\",}]*\).*/\1/p"; }
directory() { tr -d '\n' <"$dir/$1.ready" | sed 's/"super_nodes".*//' | sed -n 's/.*"address": *"\([^"]*\)".*/\1/p'; }
median() { sort -n | awk '{ v[NR] = $1 } END { if (NR) print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
figure() { sed -n "s/.*\"$1\":\(-\{0,1\}[0-9.e-]*\).*/\1/p"; }

start linked "$base"
start loaded "$((base + 100))"
"$CHATCTL" --directory "$(directory loaded)" plugin swap irc "$library"
round=0
while [ $round -lt "$rounds" ]; do
    for name in linked loaded; do
        "$CHATCTL" bench fanout --json --subs "$subs" --msgs "$msgs" --size "$size" --window "$window" \
            --protocol irc --target "$(field $name irc)" --server-pid "$(field $name pid)" >>"$dir/$name.json"
    done
    round=$((round + 1))
done
echo "Fan-out to $subs subscribers over IRC, $msgs messages of $size bytes, window $window, medians of $rounds rounds:"
printf '%-10s %18s %16s\n' irc 'CPU/delivery (us)' deliveries/s
for name in linked loaded; do
    printf '%-10s %18.5f %16.0f\n' $name "$(figure cpu_us_per_delivery <"$dir/$name.json" | median)" "$(figure deliveries_per_s <"$dir/$name.json" | median)"
done
