#!/bin/sh
# What a directory server has to do for a ring of 10,000 super nodes, on this machine: CPU for their heartbeats, bytes of a view and of a change of it, and how long it takes until all have heard of one.
#
#   tests/benches/many_nodes.sh [nodes] [seconds]      default 10000 and 40
#
# The nodes are one process that says what nodes say (cli/examples/herd.rs); the server is real. The ring is there before the server starts: that each of them is dialled and planned for
# when it comes is left out. Needs an open-file limit above the number of nodes. Ends what it started and nothing else.
set -eu

cd "$(dirname "$0")/../.."
nodes=${1:-10000} seconds=${2:-40} base=${BASE_PORT:-17800}
cargo build --release --quiet -p chatring --bin chatd --bin chatctl --example herd
bin=${CARGO_TARGET_DIR:-target}/release
ulimit -n "$((nodes + 1000))" || { echo "cannot open $nodes connections: raise ulimit -n" >&2; exit 2; }

dir=$(mktemp -d)
started=
end() {
    for pid in $started; do kill "$pid" 2>/dev/null || :; done
    for pid in $started; do wait "$pid" 2>/dev/null || :; done
}
trap 'end; rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM

network="[network]
name = 'herd'
secret = 'only the herd knows'
directories = ['127.0.0.1:$base']"
printf '%s\n[directory]\naddress = "127.0.0.1:%s"\nnodes_per_subnet = 100000\nprepare = "120s"\n' "$network" "$base" >"$dir/directory.toml"
"$bin/examples/herd" fill "$dir/directory.sqlite" "$nodes"
"$bin/chatd" --config "$dir/directory.toml" >"$dir/directory.log" 2>&1 &
directory=$!
started=$directory
until grep -qs "listening at" "$dir/directory.log"; do
    kill -0 "$directory" 2>/dev/null || { cat "$dir/directory.log" >&2; exit 1; }
    sleep 0.05
done
"$bin/examples/herd" run "127.0.0.1:$base" "$nodes" "$seconds" "$directory" >"$dir/herd.log" 2>&1 &
herd=$!
started="$started $herd"
tail -f --pid="$herd" "$dir/herd.log" &
started="$started $!"

# An operator takes ten of them out, one after the other, when the herd says so.
until grep -q "now is the time" "$dir/herd.log"; do
    kill -0 "$herd" 2>/dev/null || { cat "$dir"/*.log >&2; exit 1; }
    sleep 0.2
done
for number in 1 2 3 4 5 6 7 8 9 10; do
    began=$(date +%s%N)
    "$bin/chatctl" --directory "127.0.0.1:$base" --output json node remove "10.0.0.$number" --yes >/dev/null
    echo "chatctl took $((($(date +%s%N) - began) / 1000000)) ms to have a super node removed"
    sleep 0.5
done
wait "$herd" || :
grep -E "epoch|WARN|ERROR" "$dir/directory.log" | tail -5
