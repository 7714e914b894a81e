#!/bin/sh
# A real S3 server of its own: Ceph's monitor, one storage daemon in memory and its gateway, all on 127.0.0.1.
#
#   start-radosgw.sh DIRECTORY MONITOR_PORT S3_PORT ACCESS_ID:ACCESS_KEY[:QUOTA_BYTES] ...
#
# Prints `started` when the gateway is about to answer, and then lives until its standard input ends, as that of a child does when its parent dies in whatever way.
# Then it ends the daemons and removes the directory. If it is killed itself, the daemons die with it (pdeathsig).
set -eu
dir=$1 monitor_port=$2 s3_port=$3
shift 3

pids=''
clean_up() {
  trap '' EXIT INT TERM
  # shellcheck disable=SC2086
  [ -z "$pids" ] || kill -9 $pids 2>/dev/null || true
  wait
  rm -rf "$dir"
}
# Whoever interrupts the tests interrupts all processes of the terminal: this one ends when its parent has.
trap '' INT TERM
trap clean_up EXIT

mkdir -p "$dir/mon" "$dir/osd" "$dir/run" "$dir/rgw"
# Without authentication the messages still need a mode: crc. Without the short paxos interval each new pool takes a second.
# Memory is bounded by `memstore device bytes`; what was deleted is freed soon.
cat >"$dir/ceph.conf" <<END
[global]
fsid = $(cat /proc/sys/kernel/random/uuid)
mon host = 127.0.0.1:$monitor_port
public addr = 127.0.0.1
ms mon client mode = crc
ms client mode = crc
auth cluster required = none
auth service required = none
auth client required = none
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd crush chooseleaf type = 0
mon allow pool size one = true
mon data avail crit = 1
mon data avail warn = 1
paxos propose interval = 0.02
paxos min wait = 0.01
osd objectstore = memstore
memstore device bytes = 2147483648
run dir = $dir/run
crash dir = $dir/run
pid file = $dir/run/\$name.pid
admin socket = $dir/run/\$name.asok
log file = $dir/run/\$name.log
[mon.a]
mon data = $dir/mon
[osd.0]
osd data = $dir/osd
[client]
rgw data = $dir/rgw
rgw frontends = beast endpoint=127.0.0.1:$s3_port tcp_nodelay=1
rgw gc obj min wait = 1
rgw gc processor period = 1
rgw gc processor max time = 1
END

ceph_tool() {
  tool=$1
  shift
  timeout 30 "$tool" -c "$dir/ceph.conf" "$@" >"$dir/run/tool.out" 2>&1 </dev/null || {
    cat "$dir/run/tool.out" >&2
    exit 1
  }
}
daemon() {
  setpriv --pdeathsig KILL "$@" -c "$dir/ceph.conf" -f >>"$dir/run/daemons.out" 2>&1 </dev/null &
  pids="$pids $!"
}

fsid=$(sed -n 's/^fsid = //p' "$dir/ceph.conf")
monmaptool --create --add a "127.0.0.1:$monitor_port" --fsid "$fsid" "$dir/monmap" >/dev/null
ceph_tool ceph-mon --mkfs -i a --monmap "$dir/monmap"
daemon ceph-mon -i a
ceph_tool ceph osd create
ceph_tool ceph-osd --mkfs -i 0
daemon ceph-osd -i 0
# The gateway after the first user: both make the same pools, and would wait for each other.
for user in "$@"; do
  IFS=: read -r id key quota_bytes <<END
$user
END
  ceph_tool radosgw-admin user create --uid="$id" --display-name="$id" --access-key="$id" --secret-key="$key"
  [ -n "$quota_bytes" ] || continue
  ceph_tool radosgw-admin quota set --uid="$id" --quota-scope=user --max-size="$quota_bytes"
  ceph_tool radosgw-admin quota enable --uid="$id" --quota-scope=user
done
daemon radosgw -n client.rgw
echo started
read -r _ || true
