# shellcheck shell=sh
# shellcheck disable=SC2153
# The disks of an instance store: part of the step `store` and of a look, and also what runs at each start of the
# container runtime, with a line of values before it and `up` behind it. So it knows nothing of lib.sh.
#
# A disk is known by its name, never by its number, which is another one after a boot. One with a signature that is not
# ours is never written to. A machine that was stopped comes back with other disks, which are blank: they are made anew.

MARK=gpu-ready
NAMES=NVMe_Instance_Storage_

trouble() {
  printf '%s: %s\nfix: %s\n' "$1" "$2" "$3" >&2
  exit 1
}

# stores: "PATH NAME" of each disk once: it has a second name (..._1, ...-ns-1), and each part of it has names as well.
stores() {
  for link in "$ROOT"/dev/disk/by-id/*"$NAMES"*; do
    case $link in *-part[0-9]*) continue ;; esac
    [ ! -e "$link" ] || echo "$(readlink -f "$link") ${link##*/}"
  done | sort | awk '!seen[$1]++'
}

# holds DISK: `blank`, `ours`, or what is on it.
holds() {
  signs=$(wipefs -n -i -O TYPE,LABEL "$1" 2>&1) || { echo "unreadable: $signs" && return; }
  others=$(echo "$signs" | grep -vE "^((xfs|ext4) +|linux_raid_member +([^ ]*:)?)$MARK *\$" | paste -sd, -)
  if [ -z "$signs" ] && [ "$(lsblk -nro NAME "$1" | wc -l)" -gt 1 ]; then
    echo "in use"
  elif [ -z "$signs" ]; then
    echo blank
  else
    echo "${others:-ours}"
  fi
}

# standing DISK ...: the same of all of them, each answer once.
standing() { for disk; do holds "$disk"; done | sort -u | paste -sd, -; }

# array DISK: what it is a part of, whatever number that has.
array() { lsblk -nrpo NAME,TYPE "$1" | awk '$2 ~ /^raid/ {print $1; exit}'; }

# device DISK ...: what carries the file system: the only disk, or an array of all.
device() {
  if [ $# = 1 ]; then
    echo "$1"
  else
    [ -n "$(array "$1")" ] || mdadm -q --assemble --run "$ROOT/dev/md/$MARK" "$@" >&2
    array "$1"
  fi
}

# erase DISK ...: takes our signatures away, and the array that they made.
erase() {
  one=$(array "$1")
  if [ -n "$one" ]; then
    wipefs -q -a "$one"
    mdadm -q --stop "$one"
  fi
  for disk; do wipefs -q -a "$disk"; done
}

# format DISK ...: blank ones, or ours. Without a discard, which takes minutes and brings nothing on a blank disk.
format() {
  erase "$@"
  if [ $# -gt 1 ]; then
    mdadm -q --create "$ROOT/dev/md/$MARK" --run --level=0 --raid-devices=$# --name="$MARK" --homehost=any "$@" >&2
  fi
  into=$(device "$@")
  # In an array of ours an older file system may show again.
  wipefs -q -a "$into"
  if command -v mkfs.xfs >/dev/null; then
    mkfs.xfs -q -K -L "$MARK" "$into"
  else
    mkfs.ext4 -q -E nodiscard -m 0 -L "$MARK" "$into"
  fi
}

# attach FOLDER DISK ...
attach() {
  folder=$1
  shift
  udevadm settle
  mkdir -p "$folder"
  mount -o noatime "UUID=$(blkid -p -s UUID -o value "$(device "$@")")" "$folder"
  # Of ext4; nothing of the runtime's, so it goes nowhere with that.
  rmdir "$folder/lost+found" 2>/dev/null || :
}

# is_up: the store is where it belongs.
is_up() {
  on=$(findmnt -nro SOURCE -M "$ROOT$FOLDER") && [ "$(blkid -p -s LABEL -o value "$on")" = "$MARK" ]
}

# up: after a boot the disks may be late, after a stop they are blank. Some of each: nobody knows what happened.
up() {
  ! is_up || return 0
  tries=0
  until [ "$(stores | wc -l)" -ge "$COUNT" ] || [ "$tries" = 30 ]; do
    sleep 1
    tries=$((tries + 1))
  done
  # shellcheck disable=SC2046
  set -- $(stores | cut -d' ' -f1)
  [ $# -gt 0 ] || trouble "DSK-2 disk" "the machine has no instance store any more" "take instanceStore out; pulumi up"
  case $(standing "$@") in
  blank) format "$@" ;;
  ours) [ $# -ge "$COUNT" ] || trouble "DSK-2 disk" "$# of $COUNT disks of the instance store are there" "reboot the machine; lsblk" ;;
  *) trouble "DSK-1 disk" "not all disks of the instance store are ours, or all blank: $(standing "$@")" "on the host: wipefs /dev/disk/by-id/*$NAMES*" ;;
  esac
  attach "$ROOT$FOLDER" "$@"
  chmod "$MODE" "$ROOT$FOLDER"
  if command -v restorecon >/dev/null; then restorecon "$ROOT$FOLDER"; fi
}
