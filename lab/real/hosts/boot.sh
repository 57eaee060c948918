#!/bin/bash
# One host of the lab from power on to power off: boot.sh RUN NAME DISK, as root, in a mount namespace of its own.
#
# The disk is an overlay of the image and RUN/NAME/upper. Inside runs a real systemd, on a clean cgroup2 (the machine's
# own layout is not touched) and in the network namespace RUN-NAME. `reboot` in the host ends nspawn with 133, and it is
# booted again: nspawn gives it another boot id, the time namespace an uptime that begins at 0.
set -eu
run=$1 name=$2 disk=$3
id=${run##*/}
here=$run/$name
root=$here/root

mount --make-rprivate /
mkdir -p "$here/upper" "$here/work" "$root" "$here/containerd" "$here/part"
mount -t overlay overlay -o "lowerdir=$disk,upperdir=$here/upper,workdir=$here/work,redirect_dir=off,metacopy=off" "$root"
umount -lR /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup
mkdir -p "/sys/fs/cgroup/$id/$name" /run/systemd/nspawn
# Where nspawn leaves its locks.
mount -t tmpfs tmpfs /run/systemd/nspawn
echo $$ >"/sys/fs/cgroup/$id/$name/cgroup.procs"

# containerd's snapshots cannot lie on an overlay: they get a plain folder. runc needs keyctl and bpf.
# Never more capabilities than this: clock, modules and all else of the kernel are the machine's.
export SYSTEMD_NSPAWN_API_VFS_WRITABLE=network SYSTEMD_LOG_LEVEL=warning
ended=133
while [ "$ended" = 133 ]; do
  ended=0
  unshare --time --boottime "-$(cut -d. -f1 /proc/uptime)" --fork --kill-child \
    systemd-nspawn --quiet --boot --directory="$root" --machine="$id-$name" --register=no --keep-unit \
    --network-namespace-path="/run/netns/$id-$name" --resolv-conf=off --timezone=off --console=pipe --link-journal=no \
    --bind="$here/containerd:/var/lib/containerd" --bind-ro="$here/part:/opt/gpu-lab" \
    --system-call-filter=@keyring --system-call-filter=bpf --capability=CAP_NET_ADMIN \
    </dev/null >>"$here/console.log" 2>&1 || ended=$?
  echo "$(date +%s) ended with $ended" >>"$here/boots.log"
done
