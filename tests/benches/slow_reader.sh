#!/usr/bin/env bash
# One reader that never reads, in a group that is flooded with 1 GB: what the others lose (nothing, or the run fails), how much slower they hear, and how much memory the node takes.
#
#   tests/benches/slow_reader.sh [rounds]         default 5; with and without the reader take turns, and medians are shown
#
# SUBS (10), MSGS (70000), SIZE (15000), WINDOW (64: how many messages the publisher may be ahead), BASE_PORT (17600), CHATCTL (a built chatctl). Ends what it started and nothing else.
set -euo pipefail

cd "$(dirname "$0")/../.."
rounds=${1:-5}
subs=${SUBS:-10} msgs=${MSGS:-70000} size=${SIZE:-15000} window=${WINDOW:-64} base=${BASE_PORT:-17600}
if [ -z "${CHATCTL:-}" ]; then
    cargo build --release --quiet --bin chatctl
    CHATCTL=${CARGO_TARGET_DIR:-target}/release/chatctl
fi

dir=$(mktemp -d)
demo=
end() { if [ -n "$demo" ]; then kill "$demo" 2>/dev/null || :; wait "$demo" 2>/dev/null || :; fi; rm -rf "$dir"; }
trap end EXIT
trap 'exit 130' INT TERM

"$CHATCTL" demo --super-nodes 1 --base-port "$base" --ready-file "$dir/ready" >"$dir/demo.log" 2>&1 &
demo=$!
for _ in $(seq 150); do
    [ -s "$dir/ready" ] && break
    sleep 0.2
done
[ -s "$dir/ready" ] || { echo "chatring does not start:" >&2; cat "$dir/demo.log" >&2; exit 3; }
node=$(tr -d '\n' <"$dir/ready" | sed 's/.*"super_nodes"//')
field() { printf '%s' "$node" | sed -n "s/.*\"$1\": *\"\{0,1\}\([^\",}]*\).*/\1/p"; }
resp=$(field address) pid=$(field pid)
case $resp in *:*) ;; *) resp=$resp:7411 ;; esac

figure() { sed -n "s/.*\"$1\":\(-\{0,1\}[0-9.e-]*\).*/\1/p"; }
median() { sort -n | awk '{ v[NR] = $1 } END { if (NR) print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
rss_kib() { awk '/^VmRSS:/ { print $2 }' "/proc/$pid/status"; }

# flood NAME: one run; its figures and the most memory the node took meanwhile are kept.
flood() {
    "$CHATCTL" bench fanout --json --subs "$subs" --msgs "$msgs" --size "$size" --window "$window" --target "$resp" --server-pid "$pid" >>"$dir/$1.json" &
    run=$!
    most=0
    while kill -0 $run 2>/dev/null; do
        now=$(rss_kib)
        if [ "$now" -gt "$most" ]; then most=$now; fi
        sleep 0.05
    done
    wait $run || { echo "$1: the run failed: someone lost something" >&2; exit 1; }
    echo "$most" >>"$dir/$1.rss"
}

flood warm
for _ in $(seq "$rounds"); do
    flood without
    exec 3<>"/dev/tcp/${resp%:*}/${resp##*:}"
    printf 'SUBSCRIBE #bench0\r\n' >&3
    read -r _ <&3 # it is in; from here on it reads nothing
    flood with
    exec 3>&-
done

gb=$(awk "BEGIN { printf \"%.2f\", $msgs * $size / 1e9 }")
echo "$gb GB in $msgs messages to $subs members, medians of $rounds rounds:"
printf '%-34s %16s %18s %14s\n' '' deliveries/s 'CPU/delivery (us)' 'node (KiB)'
for name in without with; do
    printf '%-34s %16.0f %18.3f %14.0f\n' "$name one that never reads" "$(figure deliveries_per_s <"$dir/$name.json" | median)" \
        "$(figure cpu_us_per_delivery <"$dir/$name.json" | median)" "$(median <"$dir/$name.rss")"
done
