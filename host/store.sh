# shellcheck shell=sh
# shellcheck disable=SC2153
# Step `store`: what the container runtime keeps lies on the instance store of the machine.
#
# It is taken there while nothing uses it: the kubelet stands still, its pods have ended, the runtime is down. What was
# there stays beside the folder until the runtime is back. There is no line in fstab, by which a machine whose disks
# changed would not boot: a unit of ours mounts them each time before the runtime starts, and without it that does not.

# shellcheck source=host/lib.sh
. "${0%/*}/lib.sh"
# shellcheck source=host/store_disks.sh
. "${0%/*}/store_disks.sh"
alone
trouble() { refuse "$@"; }

know "${GR_KIND:?}"
UNIT=${GR_UNIT:-$KIND}
FOLDER=$DATA
ASIDE=$ROOT$FOLDER.gpu-ready BACK=$ROOT$FOLDER.gpu-ready-back STAGE=$ROOT/run/gpu-ready.store
PROGRAM=/usr/local/sbin/gpu-ready-store
SERVICE=/etc/systemd/system/gpu-ready-store.service
NEEDS=/etc/systemd/system/$UNIT.service.d/gpu-ready-store.conf
case $KIND in
containerd) UNITS="kubelet containerd" ;;
docker) UNITS="kubelet cri-docker.socket cri-docker docker.socket docker" ;;
*) UNITS=$UNIT ;;
esac
stores >"$T/stores"
COUNT=$(wc -l <"$T/stores")
DISKS=$(cut -d' ' -f1 "$T/stores" | paste -sd' ' -)

apply() {
  ! has_note back || remove
  undertake
  fit
  if has_note made; then keep; else bring; fi
  rm -rf "$ASIDE"
  is_up || refuse "DSK-5 disk" "the instance store is not at $FOLDER" "on the host: journalctl -u gpu-ready-store"
  answer store "$(quoted "$FOLDER")" disks "$COUNT"
}

# --- before anything is changed ---------------------------------------------------------------------------------------

fit() {
  [ "$COUNT" -gt 0 ] || refuse "DSK-2 disk" "the machine has no instance store" "take instanceStore out"
  while read -r disk name; do
    what=$(holds "$disk")
    case $what in
    blank | ours) ;;
    *) refuse "DSK-1 disk" "/dev/disk/by-id/$name is not blank: $what" \
      "save what is on it, or take instanceStore out; if nobody needs it: on the host: wipefs -a /dev/disk/by-id/$name" ;;
    esac
  done <"$T/stores"
  on=$(findmnt -nro SOURCE -M "$ROOT$FOLDER" || :)
  [ -z "$on" ] || is_up || refuse "DSK-3 disk" "$FOLDER is a file system of its own already: ${on#"$ROOT"}" "take instanceStore out"
  [ "$COUNT" = 1 ] || raid
}

raid() {
  command -v mdadm >/dev/null || has_note packages || {
    update_lists
    [ -n "$(offered mdadm)" ] ||
      refuse "DSK-6 disk" "several disks are made one by mdadm, which is not there, and $MANAGER does not offer it" \
        "install mdadm on the host, or take instanceStore out"
  }
  command -v mdadm >/dev/null || install mdadm
}

# room FROM INTO: whether all of it fits, with something to spare.
room() {
  used=$(du -sk "$1" | cut -f1)
  free=$(df -Pk "$2" | awk 'NR == 2 {print $4}')
  [ $((used + used / 10 + 100000)) -le "$free" ] ||
    refuse "DSK-4 disk" "$((used / 1000)) MB of containers and images do not fit where $((free / 1000)) MB are free" \
      "end what is not needed: on the host: crictl rmi --prune; then pulumi up or destroy"
}

# placed: where it belongs, as the runtime had made that folder.
placed() {
  # An earlier run may have been cut off with the copy just made.
  unstage
  MODE=$(noted mode)
  up
}

# --- there ------------------------------------------------------------------------------------------------------------

# It was brought there before; somebody may have taken it down since.
keep() {
  files
  is_up || { halt; placed; }
  resume || refuse "DSK-5 disk" "$UNIT does not start with its instance store" "on the host: journalctl -u $UNIT -u gpu-ready-store"
}

bring() {
  if ! is_up && [ ! -d "$ASIDE" ]; then
    # What ran since then wrote to the old place.
    [ -z "$(at_work)" ] || drop copied
    has_note copied || fresh
    halt
    has_note copied || copy
    files
  fi
  if [ ! -d "$ASIDE" ]; then
    halt
    down
    mkdir -p "$ROOT$FOLDER"
    mv "$ROOT$FOLDER" "$ASIDE"
  fi
  is_up || { halt; placed; }
  resume || back_out
  echo yes | note made
  drop copied
}

# shellcheck disable=SC2086
fresh() {
  unstage
  say "making a file system for $FOLDER on $(cut -d' ' -f2 "$T/stores" | paste -sd' ' -)"
  format $DISKS
  attach "$STAGE" $DISKS
  mkdir -p "$ROOT$FOLDER"
  drop mode
  stat -c %a "$ROOT$FOLDER" | note mode
  room "$ROOT$FOLDER" "$STAGE"
}

copy() {
  # shellcheck disable=SC2086
  findmnt -M "$STAGE" >/dev/null || attach "$STAGE" $DISKS
  taken "$ROOT$FOLDER" "$STAGE"
  echo yes | note copied
  unstage
}

# taken FROM INTO: all of it, and seen to be all.
taken() {
  run cp -a "$1/." "$2/" && [ "$(find "$1" | wc -l)" = "$(find "$2" | wc -l)" ] || {
    last_words
    resume || :
    refuse "DSK-4 disk" "$FOLDER could not be copied, and stays where it is" "read the last words above; on the host: df; dmesg"
  }
}

unstage() {
  ! findmnt -M "$STAGE" >/dev/null || run umount "$STAGE"
  [ ! -d "$STAGE" ] || rmdir "$STAGE"
}

files() {
  { echo "ROOT=\${GPU_READY_ROOT-} FOLDER='$FOLDER' COUNT=$COUNT MODE=$(noted mode)"; echo 'set -eu'; cat "${0%/*}/store_disks.sh"; echo up; } | place "$PROGRAM"
  place "$SERVICE" <<UNIT
[Unit]
Description=Instance store at $FOLDER (gpu-ready)
After=local-fs.target
Before=$UNIT.service

[Service]
Type=oneshot
ExecStart=/bin/sh $PROGRAM
TimeoutStartSec=300
UNIT
  place "$NEEDS" <<UNIT
[Unit]
Requires=gpu-ready-store.service
After=gpu-ready-store.service
UNIT
  run systemctl daemon-reload
}

# --- standing still ---------------------------------------------------------------------------------------------------

# shellcheck disable=SC2086
at_work() { running $UNITS; }

# containers: of whomever, as the shims of containerd show them.
containers() {
  for one in "$ROOT${SOCKET%/*}"/io.containerd.runtime.v2.task/*/*/; do [ ! -d "$one" ] || basename "$one"; done
}

# halt: nothing uses the folder; what was at work is noted, so that it comes back whoever brings this to its end.
halt() {
  at_work >"$T/at-work"
  note stopped <"$T/at-work"
  [ -z "$(containers)" ] || end_pods
  # shellcheck disable=SC2046
  [ ! -s "$T/at-work" ] || run systemctl stop $(cat "$T/at-work") || :
  left=$(at_work; containers)
  [ -z "$left" ] || {
    resume || :
    refuse "DSK-4 disk" "still at work, and $FOLDER in use: $(echo "$left" | paste -sd' ' -)" "end it on the host, then pulumi up"
  }
}

# Without the kubelet, which would start them anew.
end_pods() {
  case $KIND in
  containerd)
    run systemctl stop kubelet || :
    run program crictl --runtime-endpoint "unix://$ROOT$SOCKET" rmp -fa || last_words
    ;;
  k3s | rke2)
    for all in "$ROOT/usr/local/bin/$KIND-killall.sh" "$ROOT/usr/bin/$KIND-killall.sh" "$ROOT/opt/rke2/bin/$KIND-killall.sh"; do
      [ ! -e "$all" ] || run sh "$all" || :
    done
    ;;
  esac
}

# shellcheck disable=SC2046
resume() {
  run systemctl start $(noted stopped) "$UNIT" || :
  active "$UNIT" || return 1
  drop stopped
}

down() {
  ! is_up || run umount "$ROOT$FOLDER" || {
    last_words
    refuse "DSK-4 disk" "$FOLDER is in use, and cannot be unmounted" "on the host: fuser -vm $FOLDER"
  }
}

# --- the reverse ------------------------------------------------------------------------------------------------------

back_out() {
  last_words
  at_home "$ASIDE"
  no_files
  come="it is as it was"
  resume || come="it does not come back without it either"
  erase_ours
  for one in copied mode begun; do drop "$one"; done
  refuse "DSK-5 disk" "$UNIT did not come back with its instance store; $come" "journalctl -u $UNIT -u gpu-ready-store"
}

no_files() {
  take_back_files
  run systemctl daemon-reload
}

# at_home WHERE: what lies there is the folder again.
at_home() {
  if is_up; then
    halt
    down
  fi
  [ -d "$1" ] || return 0
  halt
  ! findmnt -M "$ROOT$FOLDER" >/dev/null || refuse "DSK-3 disk" "somebody mounted $FOLDER meanwhile" "on the host: umount $FOLDER"
  # Where an earlier run was cut off, a runtime may have begun anew there, or what came back lies there already.
  rm -rf --one-file-system "$ROOT$FOLDER"
  mv "$1" "$ROOT$FOLDER"
}

# All of it comes back, or nothing is done: half of it, or an older one, is nothing that a runtime understands.
fetch_back() {
  room "$ROOT$FOLDER" "$ROOT${FOLDER%/*}"
  halt
  # Who ends all of k3s unmounts it too.
  is_up || placed
  rm -rf "$BACK"
  mkdir -p "$BACK"
  taken "$ROOT$FOLDER" "$BACK"
  echo yes | note back
}

remove() {
  unstage
  if has_note made; then
    # Without its disk our unit let it not start.
    is_up || echo "$UNIT" | note stopped
    # What ran since then wrote to the disk.
    ! is_up || [ -z "$(at_work)" ] || drop back
    if is_up && ! has_note back; then fetch_back; fi
    at_home "$BACK"
  else
    at_home "$ASIDE"
  fi
  if has_note files; then no_files; fi
  if has_note stopped; then resume || refuse "DSK-5 disk" "$UNIT does not start without its instance store" "journalctl -u $UNIT"; fi
  erase_ours
  if has_note packages; then
    mend
    to_take_back
    take_back_packages
  fi
  rm -rf "$ASIDE"
  take_back_files
  for one in made copied back stopped mode begun; do drop "$one"; done
}

# Whatever holds one of them still: it stays as it is, and is blank when the machine was stopped once.
# shellcheck disable=SC2086
erase_ours() {
  [ -z "$DISKS" ] || [ "$(standing $DISKS)" != ours ] || run erase $DISKS || last_words
}

"$VERB"
