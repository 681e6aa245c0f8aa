#!/usr/bin/env bash
# Three people on three super nodes, with the programs people really use: chatctl at the master, irssi at the second
# node, redis-cli at the third. They read each other; then the master is killed, and they read each other again.
#
#   tests/e2e/people.sh path/to/chatctl
#
# Needs irssi, tmux, redis-cli and jq. Ends what it started, whatever happens.
set -uo pipefail
chatctl=$(realpath "${1:?usage: people.sh path/to/chatctl}")
dir=$(mktemp -d)
export XDG_STATE_HOME="$dir/state" XDG_CONFIG_HOME="$dir/config" TERM=screen-256color
tmux=(tmux -L "chatring-e2e-$$" -f /dev/null)
pids=()
passed=0

finish() {
  "${tmux[@]}" kill-server 2>/dev/null
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null; done
  wait 2>/dev/null
  rm -rf "$dir"
}
trap finish EXIT

fail() {
  echo "FAILED: $*" >&2
  for log in "$dir"/*.log; do echo "--- $log"; tail -n 40 "$log"; done >&2
  for pane in chat irssi; do echo "--- screen of $pane"; "${tmux[@]}" capture-pane -p -t "$pane" 2>/dev/null; done >&2
  echo "$passed passed, 1 failed"
  exit 1
}

ok() { passed=$((passed + 1)); echo "ok $passed - $*"; }

# Waits until a command succeeds, at most so many seconds.
within() {
  local seconds=$1; shift
  local end=$((SECONDS + seconds))
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.05
  done
}

has() { "${tmux[@]}" capture-pane -p -J -S -500 -t "$1" | grep -qF -- "$2"; }
screen_has() { has irssi "$1"; }
chat_has() { has chat "$1"; }
redis_has() { grep -qF -- "$1" "$dir/redis.log"; }

"$chatctl" demo --super-nodes 3 --dir "$dir/net" --base-port 17400 --ready-file "$dir/ready.json" >"$dir/demo.log" 2>&1 </dev/null &
pids+=($!)
within 30 test -s "$dir/ready.json" || fail "the demo is not ready after 30 s"
directory=$(jq -r '.directories[0].address' "$dir/ready.json")
export CHATCTL_DIRECTORY=$directory
ok "the demo serves"

master=$("$chatctl" ring owner '#erlang' --output json | jq -r .master)
node() { jq -r --arg m "$master" "[.super_nodes[] | select((.address != \$m) and (.address != (\$m + \":7411\")) and ((.address | split(\":\")[0]) != \$m))] | .[$1].$2" "$dir/ready.json"; }
irc=$(node 0 irc)
native=$(node 1 address)
case $native in *:*) ;; *) native=$native:7411 ;; esac
master_pid=$(jq -r --arg m "$master" '.super_nodes[] | select(.address == $m or .address == ($m + ":7411") or ((.address | split(":")[0]) == $m)) | .pid' "$dir/ready.json")
[ -n "$master_pid" ] || fail "no process of master $master in the ready file"

"${tmux[@]}" new-session -d -s chat -x 160 -y 50 "$chatctl chat '#erlang' --nick tess"
within 15 chat_has "#erlang" || fail "chatctl chat is not in #erlang"

mkdir -p "$dir/irssi"
"${tmux[@]}" new-session -d -s irssi -x 160 -y 50 "irssi --home=$dir/irssi --nick=iris -c ${irc%:*} -p ${irc##*:}"
within 15 screen_has "End of /MOTD" || fail "irssi is not welcomed"
"${tmux[@]}" send-keys -t irssi "/join #erlang" Enter
within 30 screen_has "has joined #erlang" || fail "irssi is not in #erlang" # irssi itself paces what it sends

(redis-cli -h "${native%:*}" -p "${native##*:}" SUBSCRIBE '#erlang' >"$dir/redis.log" 2>&1) &
pids+=($!)
within 15 redis_has "subscribe" || fail "redis-cli is not subscribed"

members() { "$chatctl" group members '#erlang' --output json | jq -e 'length >= 3'; }
within 15 members || fail "the directory does not list three members"
ok "chatctl chat at the master $master, irssi at $irc, redis-cli at $native are in #erlang"

all_read() { # text, by whom
  within 10 chat_has "$1" || fail "chatctl does not read what $2 says ($1)"
  within 10 screen_has "$1" || fail "irssi does not read what $2 says ($1)"
  within 10 redis_has "$1" || fail "redis-cli does not read what $2 says ($1)"
  ok "all read what $2 says"
}

"${tmux[@]}" send-keys -t irssi "hello from irssi" Enter
all_read "hello from irssi" irssi
redis-cli -h "${native%:*}" -p "${native##*:}" PUBLISH '#erlang' 'hello from redis' >/dev/null || fail "redis-cli can't publish"
all_read "hello from redis" redis-cli
"${tmux[@]}" send-keys -t chat "hello from chat" Enter
all_read "hello from chat" "chatctl chat"
printf 'first line\nsecond line\n' | "$chatctl" send '#erlang' --nick sam || fail "chatctl can't send"
all_read "second line" "chatctl send"

kill -9 "$master_pid"
before=$(date +%s%N)
new_owner() { [ "$("$chatctl" ring owner '#erlang' --output json | jq -r .master)" != "$master" ]; }
within 5 new_owner || fail "the ring still names $master"
named=$(($(date +%s%N) - before))
heard_again() {
  "$chatctl" send '#erlang' "after the kill $1" --nick sam >/dev/null 2>&1
  chat_has "after the kill" && screen_has "after the kill" && redis_has "after the kill"
}
back=0
for try in $(seq 1 20); do
  if heard_again "$try"; then back=1; break; fi
  sleep 0.2
done
[ $back = 1 ] || fail "not everyone hears the group 5 s after its master was killed"
took=$(($(date +%s%N) - before))
ok "master killed: the ring names $("$chatctl" ring owner '#erlang' --output json | jq -r .master) after $((named / 1000000)) ms, everyone hears again after $((took / 1000000)) ms"
[ $((took / 1000000)) -lt 5000 ] || fail "that is more than lease (3 s) + 2 s"

kill -TERM "${pids[0]}"
gone() { ! kill -0 "${pids[0]}"; }
within 15 gone || fail "the demo does not end on SIGTERM"
ok "the demo ends what it started"
echo "$passed passed, 0 failed"
