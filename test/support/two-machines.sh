#!/bin/sh
# Runs a command on two machines, one after the other: two network namespaces, each joined to this one, where a registry
# listens on 10.9.1.1:5000. Called in a network namespace of its own. The command is told which machine it is on by the
# variable MACHINE.
#   two-machines.sh DIRECTORY COMMAND...
set -eu
directory=$1
shift
started=
trap 'kill $started 2>/dev/null || true; wait' EXIT

ip link set lo up
cat > "$directory/registry.yml" <<CONFIG
version: 0.1
log: {level: error}
storage: {filesystem: {rootdirectory: $directory/registry}}
http: {addr: "0.0.0.0:5000"}
CONFIG

for machine in 1 2; do
  unshare --net sleep 600 &
  process=$!
  started="$started $process"
  until [ "$(readlink "/proc/$process/ns/net")" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
  ip link add "to$machine" type veth peer name eth0 netns "$process"
  ip addr add "10.9.$machine.1/24" dev "to$machine"
  ip link set "to$machine" up
  nsenter "--net=/proc/$process/ns/net" sh -c "
    ip link set lo up
    ip addr add 10.9.$machine.2/24 dev eth0
    ip link set eth0 up
    ip route add default via 10.9.$machine.1"
  eval "net$machine=/proc/$process/ns/net"
done

docker-registry serve "$directory/registry.yml" > "$directory/registry.log" 2>&1 &
started="$started $!"
until ss -ltn | grep -q ':5000'; do sleep 0.1; done

MACHINE=1 nsenter "--net=$net1" "$@"
MACHINE=2 nsenter "--net=$net2" "$@"
