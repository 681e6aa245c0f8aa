#!/bin/sh
# How long it takes until everyone hears again when a node is lost: 1,000 members in 100 groups, real processes, on this machine. Writes the table
# and the histograms into docs/failover.md.
#
#   tests/benches/failover.sh [runs]         default 5, of each of: killed master, silent master, silent standby, directory and master together
set -eu

cd "$(dirname "$0")/../.."
# Every node, the directory and everyone in the crowd have their connections at the same time.
ulimit -n 20000 2>/dev/null || :
FAILOVER_RUNS=${1:-5} FAILOVER_DOC=${FAILOVER_DOC:-$PWD/docs/failover.md} \
    cargo test --release --locked --quiet -p chatring --test chaos -- --ignored --exact failover::measure --nocapture
