# shellcheck shell=sh
# shellcheck disable=SC2034,SC2153,SC2154
# The way back from k3s, part of join.sh: its service, its pods, what it made by itself, and with consent its data.

remove() {
  if has_note role; then
    if [ -e "$ROOT$SERVICE" ] && ours "$SERVICE"; then
      run systemctl disable "$UNIT" || :
      run timeout -k 10 300 systemctl stop "$UNIT" || :
    fi
    end_pods
    take_away
  fi
  rm -f "$ROOT$PROGRAM.gpu-ready"
  take_back_files
  run systemctl daemon-reload || :
  drop restart
  drop made
  drop data
  drop role
  drop begun
}

# Its pods go on when it stops, so they are ended: the shims of its containerd with all that they started.
end_pods() {
  for process in "$ROOT"/proc/[0-9]*; do
    [ -r "$process/stat" ] || continue
    echo "${process##*/} $(sed 's/.*) . \([0-9]*\) .*/\1/' "$process/stat" 2>/dev/null) $(tr '\0' ' ' <"$process/cmdline" 2>/dev/null | cut -c1-200)"
  done | awk -v shim="$DATA/data/[^ ]*/bin/containerd-shim" '
    {parent[$1] = $2; if ($3 ~ shim) goes[$1] = 1}
    END {
      do { more = 0; for (one in parent) if (!(one in goes) && (parent[one] in goes)) goes[one] = more = 1 } while (more)
      for (one in goes) print one
    }' >"$T/pods"
  while read -r process; do kill -9 "$process" 2>/dev/null || :; done <"$T/pods"
  for at in $MOUNTS; do
    awk -v at="$ROOT$at" 'index($2, at) == 1 {print $2}' "$ROOT/proc/mounts" 2>/dev/null | sort -r |
      while read -r path; do umount -f "$path" 2>/dev/null || umount -l "$path" 2>/dev/null || :; done
  done
  rm -f "$ROOT"/run/netns/cni-*
  ! command -v ip >/dev/null || for one in cni0 flannel.1 flannel-v6.1 kube-ipvs0 flannel-wg flannel-wg-v6; do
    run ip link delete "$one" || :
  done
  for tables in iptables ip6tables; do
    command -v "$tables-save" >/dev/null || continue
    "$tables-save" >"$T/rules" 2>/dev/null || continue
    ! grep -qE 'KUBE-|CNI-|flannel' "$T/rules" || grep -vE 'KUBE-|CNI-|flannel' "$T/rules" | "$tables-restore" || :
  done
}

# Where something is still mounted, nothing is deleted: it would be what is mounted there.
clear_away() {
  [ -d "$ROOT$1" ] || return 0
  ! grep -q " $ROOT$1/[^ ]* " "$ROOT/proc/mounts" 2>/dev/null ||
    refuse "HST-99 node" "something is still mounted in $1" "on the host: umount it, or reboot; then again"
  # It may be the place of a disk.
  find "$ROOT$1" -xdev -depth -mindepth 1 -delete
  rmdir "$ROOT$1" 2>/dev/null || :
}

take_away() {
  noted made >"$T/made"
  while read -r path; do
    # Without it the node would be let in under its name no more, as long as the data is there.
    case $path in "$NODE") [ -n "${GR_REMOVE_DATA-}" ] || continue ;; esac
    clear_away "$path"
  done <"$T/made"
  clear_away "$RUNS"
  rm -f "$ROOT$SETTINGS/k3s.yaml"
  [ -e "$ROOT$MARK" ] || has_note data || return 0
  rm -f "$ROOT$MARK.gpu-ready"
  case $(ls -A "$ROOT$DATA" 2>/dev/null) in '' | "${MARK##*/}") nothing=yes ;; *) nothing='' ;; esac
  if [ -n "${GR_REMOVE_DATA-}$nothing" ]; then
    clear_away "$DATA"
  else
    say "the data of the cluster stays in $DATA; another pulumi up takes it up again; to remove it: rm -r $DATA $NODE"
  fi
}
