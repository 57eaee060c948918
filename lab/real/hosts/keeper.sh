#!/bin/bash
# Waits for the end of a run and takes away all of it: keeper.sh RUN. Its stdin is a pipe whose other end the run holds,
# so that it notices every end, `kill -9` too. All that a run makes is called after its folder.
set -u
trap '' INT TERM HUP
run=$1
id=${run##*/}

read -r _ || :
mount --make-rprivate /
umount -lR /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup
all=/sys/fs/cgroup/$id
if [ -d "$all" ]; then
  # Every process of every host is in there, and no other.
  echo 1 >"$all/cgroup.kill"
  for _ in {1..100}; do
    grep -q 'populated 0' "$all/cgroup.events" && break
    sleep 0.05
  done
  find "$all" -depth -type d -exec rmdir {} +
fi
for namespace in /run/netns/"$id" /run/netns/"$id"-*; do
  [ ! -e "$namespace" ] || ip netns del "${namespace##*/}"
done
rm -rf "$run"
