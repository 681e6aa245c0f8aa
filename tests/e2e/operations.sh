#!/usr/bin/env bash
# docs/operations.md, followed literally: each block of commands runs on the machine that the page names above it. A machine is a set of
# namespaces (network, processes, files) with an address of its own, behind one bridge. Meanwhile people talk by IRC over TLS.
#
#   tests/e2e/operations.sh path/to/chatctl
#
# Needs root, ip, openssl, curl and jq, and chatd beside chatctl. Whatever happens, its machines end with it, and all that runs on them.
set -uo pipefail
chatctl=$(realpath "${1:?usage: operations.sh path/to/chatctl}")
chatd=$(dirname "$chatctl")/chatd
page=$(realpath "$(dirname "$0")/../../docs/operations.md")
root=$(mktemp -d)
declare -A address=([desk]=10.78.0.10 [dir1]=10.78.0.11 [dir2]=10.78.0.12 [dir3]=10.78.0.13
  [node1]=10.78.0.21 [node2]=10.78.0.22 [node3]=10.78.0.23 [node4]=10.78.0.24)
declare -A machine=() # pid of the first process of each
keepers=()
passed=0
followed=0

finish() {
  for pid in "${keepers[@]}"; do kill -9 "$pid" 2>/dev/null; done # and with each, all that runs on its machine
  wait 2>/dev/null
  rm -rf "$root"
}
trap finish EXIT
trap 'exit 1' INT TERM

skip() { echo "SKIPPED: operations: $*"; echo "0 passed, 0 failed"; exit 0; }

fail() {
  echo "FAILED: $*" >&2
  for log in "$root"/*.log "$root"/*/var/*/chatd.log "$root"/people/*.said; do [ -f "$log" ] && { echo "--- $log"; tail -n 25 "$log"; }; done >&2
  echo "$passed passed, 1 failed"
  exit 1
}

ok() { passed=$((passed + 1)); echo "ok $passed - $* (${SECONDS} s)"; }

# Waits until a command succeeds, at most so many seconds.
within() {
  local seconds=$1; shift
  local end=$((SECONDS + seconds))
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.1
  done
}

# Begins a machine of this name: its first process does nothing but reap what others leave behind.
begin() {
  mkdir -p "$root/$1/etc" "$root/$1/var" "$root/$1/home"
  unshare --net --mount --pid --uts --fork --mount-proc --kill-child bash -c '
    set -e
    hostname "$1"
    mount --bind "$2/etc" /etc && mount --bind "$2/$1/etc" /etc/chatring
    mount -t tmpfs none /var/lib && mkdir /var/lib/chatring && mount --bind "$2/$1/var" /var/lib/chatring
    ip link set lo up
    touch "$2/$1/up"
    while :; do sleep 3600 & wait $!; done' machine "$1" "$root" 2>>"$root/machines.log" </dev/null &
  keepers+=($!)
  within 5 test -e "$root/$1/up" || return 1
  machine[$1]=$(cat "/proc/$!/task/$!/children")
  machine[$1]=${machine[$1]// /}
}

# Runs what it reads on a machine.
on() {
  nsenter --target "${machine[$1]}" --net --mount --pid --uts env -i PATH="$root/bin:$PATH" HOME="$root/$1/home" TERM=dumb \
    bash -e -o pipefail -c 'cd "$HOME" && exec bash -e -o pipefail /dev/stdin'
}
ask() { on desk <<<"$*"; }

[ "$(id -u)" = 0 ] || skip "machines of one's own want root"
for tool in ip openssl curl jq nsenter unshare; do command -v $tool >/dev/null || skip "there is no $tool"; done
[ -x "$chatd" ] || fail "there is no chatd beside $chatctl"
unshare --net --mount --pid --uts --fork --mount-proc true 2>/dev/null || skip "namespaces can't be made here"

mkdir -p "$root/bin" "$root/people"
cp -a /etc "$root/etc" 2>/dev/null
mkdir -p "$root/etc/chatring"
ln -s "$chatctl" "$chatd" "$root/bin/"
# What scp does where machines are folders.
cat >"$root/bin/scp" <<END
#!/usr/bin/env bash
set -e
target=\${!#}
host=\${target%%:*}
case \${host#root@} in $(for name in "${!address[@]}"; do printf '%s) name=%s;; ' "${address[$name]}" "$name"; done) *) echo "scp: no \$host" >&2; exit 1;; esac
path=\${target#*:}
case \$path in /etc/chatring/*) ;; *) echo "scp: not \$path" >&2; exit 1;; esac
cp -p -- "\${@:1:\$#-1}" "$root/\$name/etc/\${path#/etc/chatring/}"
END
chmod +x "$root/bin/scp"

switch() { nsenter --target "${machine[switch]}" --net "$@" 2>>"$root/machines.log"; }
begin switch || skip "namespaces can't be filled here: $(tail -n 1 "$root/machines.log")"
switch ip link add br0 type bridge && switch ip link set br0 up || skip "there are no bridges here"
for name in "${!address[@]}"; do
  begin "$name" || fail "no machine $name"
  switch ip link add "$name" type veth peer name eth0 netns "${machine[$name]}" && switch ip link set "$name" master br0 up || fail "no cable to $name"
  on "$name" <<<"ip addr add ${address[$name]}/24 dev eth0; ip link set eth0 up" || fail "no address for $name"
done
ok "${#address[@]} machines with addresses of their own"

# All blocks of the page under a heading, each where it belongs. With a name, only those that belong there.
blocks() { # heading
  awk -v heading="## $1" -v dir="$root" '
    /^## / { there = ($0 == heading) }
    !there { next }
    /^<!-- on: / { where = $0; sub(/^<!-- on: /, "", where); sub(/ -->$/, "", where) }
    /^<!-- not tried: / { where = "" }
    /^```sh$/ { inside = 1; if (where != "") { file = sprintf("%s/block.%02d", dir, ++count); print where > (file ".on"); printf "" > file }; next }
    /^```$/ { if (inside && where != "") { close(file); close(file ".on") }; inside = 0; where = ""; next }
    inside && where != "" { print > file }' "$page"
}
follow() { # heading, from its which block, to which
  local from=${2:-1} to=${3:-99} number=0 block name
  rm -f "$root"/block.*
  blocks "$1"
  for block in "$root"/block.??; do
    number=$((number + 1))
    [ $number -ge "$from" ] && [ $number -le "$to" ] || continue
    [ -s "$block" ] || fail "$1: an empty block"
    for name in $(cat "$block.on"); do
      on "$name" <"$block" >>"$root/$name.log" 2>&1 || fail "$1: block $number on $name"
    done
    followed=$((followed + 1))
  done
}

# Someone who is at a node by IRC over TLS: what they type goes into people/NAME, what they read is in people/NAME.said.
come() { # nick, node
  mkfifo "$root/people/$1"
  nsenter --target "${machine[desk]}" --net --mount --pid openssl s_client -quiet -verify_return_error -CAfile "$root/desk/home/example/ca.pem" \
    -verify_ip "${address[$2]}" -connect "${address[$2]}:6697" <>"$root/people/$1" >"$root/people/$1.said" 2>>"$root/people.log" &
  type "$1" "NICK $1" "USER $1 0 * :$1" "JOIN #erlang"
  within 15 grep -q " 366 $1 #erlang" "$root/people/$1.said" || fail "$1 is not in #erlang at $2"
}
type() { # nick, lines
  local nick=$1 line; shift
  for line in "$@"; do printf '%s\r\n' "$line" >>"$root/people/$nick"; done
}
said=0
hear() { # why, nick of who says it, nicks of who have to read it
  local why=$1 from=$2 nick; shift 2
  said=$((said + 1))
  again() { type "$from" "PRIVMSG #erlang :line $said"; for nick in "$@"; do within 2 grep -q "#erlang :line $said" "$root/people/$nick.said" || return 1; done; }
  within 15 again "$@" || fail "$why: not all of $* read what $from says"
  ok "$why"
}
ring() { ask "chatctl ring show --output json" | jq -e "$1"; }
directories() { ask "chatctl directory status --output json" | jq -e "$1"; }
members() { ring "(.nodes | map(.name) | sort) == ($1 | sort)"; }

follow "Certificates"
follow "An operator"
follow "One configuration for each machine"
follow "Putting them in place"
ok "certificates, an operator and configurations, which chatd takes"

follow "Starting"
follow "Does it work?" 1 1
within 20 members '["node1", "node2", "node3"]' || fail "three super nodes are not in the ring"
follow "Does it work?" 2
ok "three directory servers and three super nodes serve"

come iris node1; come sam node2; come tess node3
hear "people talk over three nodes" iris sam tess
hear "and back" tess iris sam

follow "Adding a super node"
within 20 members '["node1", "node2", "node3", "node4"]' || fail "node4 is not in the ring"
come noor node4
hear "a fourth node came in" iris sam tess noor

follow "Upgrading" 1 1
members '["node1", "node3", "node4"]' >/dev/null || fail "node2 was drained, and is in the ring"
hear "node2 is drained, and who is there goes on" iris sam tess noor
follow "Upgrading" 2 2
within 20 members '["node1", "node2", "node3", "node4"]' || fail "node2 does not come back"
rm -f "$root"/people/sam*
come sam node2
hear "node2 came back" noor iris sam tess
follow "Upgrading" 3
whole() { directories "(.leader != null) and (.servers | length == 3 and all(.[]; .answers and .vote == \"votes\" and .lacks == 0))"; }
within 20 whole || fail "dir1 does not come back"
ok "a directory server was started anew, and lacks nothing"

follow "Backing up"
on dir3 <<<'kill -9 $(cat /var/lib/chatring/directory/chatd.pid)'
on node4 <<<'kill -9 $(cat /var/lib/chatring/node/chatd.pid)'
within 20 members '["node1", "node2", "node3"]' || fail "the ring does not change without dir3"
hear "dir3 and node4 are killed: the ring changes, and people talk" iris sam tess
follow "A directory server is lost"
within 20 whole || fail "dir3 was not taken in"
ok "dir3 was taken in with a new file"

follow "Renewing certificates"
within 5 grep -q "read again" "$root/node1/var/node/chatd.log" || fail "node1 does not read its certificate"
come nils node1
hear "node1 has a new certificate" nils iris sam tess

before=$(ring .epoch)
follow "All directory servers are lost"
within 30 whole || fail "the directory servers don't go on with the backup"
within 20 members '["node1", "node2", "node3"]' || fail "the super nodes are not in the ring of the backup"
hear "a backup took the place of all directory servers (epoch $before, then $(ring .epoch))" tess iris sam nils

doctor() { ask "chatctl doctor --output json" >"$root/desk.doctor.log"; }
within 20 doctor || fail "the doctor still finds something: $(cat "$root/desk.doctor.log")"
ok "the doctor finds nothing wrong any more"

marked=$(grep -c '^<!-- on: ' "$page")
[ "$followed" = "$marked" ] || fail "$followed blocks were followed, and the page has $marked"
unmarked=$(awk '/^```sh$/ && before !~ /^<!-- (on|not tried): / { print NR } { before = $0 }' "$page")
[ -z "$unmarked" ] || fail "no marker above the blocks in lines $unmarked"
ok "all $followed blocks of the page were followed"
echo "$passed passed, 0 failed"
