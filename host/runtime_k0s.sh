# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154
# k0s, part of runtime.sh: it writes the settings of its containerd itself, and puts into them whatever lies in a folder
# that it watches. So one file of ours lies there, in the version of the others; what k0s made of it is read.

FILE=$ROOT$CONFIG
MERGED=$ROOT/run/k0s/containerd-cri.toml

look() {
  release="containerd $(containerd_version)"
  runs || refuse "RT-13 runtime" "$UNIT does not run, so nothing would take up a file for its containerd" "on the host: systemctl start $UNIT"
  [ -z "$(own_settings)" ] || refuse "RT-17 runtime" "$(own_settings) is not k0s's any more, so it takes up no other file" \
    "take it away and restart k0s, which makes it anew; or set up the handler $NAME in it"
  cp "$MERGED" "$T/before" 2>/dev/null || : >"$T/before"
}

is_ours() { known "$CONFIG"; }

has_it() {
  handlers <"$T/before" | grep -qxF "$NAME" || return 1
  grep -q nvidia-container-runtime "$T/before" ||
    refuse "RT-1 runtime" "the handler $NAME is not run by nvidia-container-runtime" "correct its BinaryName: grep -r $NAME /etc/k0s/containerd.d"
}

meet() {
  has_note restart || answers ||
    refuse "HST-34 runtime" "k0s runs, and its containerd does not answer, so nothing could prove a change" "on the host: k0s ctr plugins ls"
}

answers() {
  runs && program ctr --address "$ROOT$SOCKET" plugins ls 2>/dev/null | grep -qE '^io\.containerd\.grpc\.v1 +cri .* ok *$' &&
    handlers <"$MERGED" | sed 's/.*/"&"/' >"$T/info"
}

is_gone() { answers && ! grep -qx "\"$NAME\"" "$T/info"; }

write() {
  case $release in "containerd 1."*) declared=2 plugin=io.containerd.grpc.v1.cri ;; *) declared=3 plugin=io.containerd.cri.v1.runtime ;; esac
  {
    echo "# written by gpu-ready, which takes it away again"
    echo "version = $declared"
    handler_tables "$plugin"
  } >"$T/candidate"
  if cmp -s "$T/candidate" "$FILE" && ours "$CONFIG"; then return; fi
  echo pending | note restart
  place "$CONFIG" <"$T/candidate"
  changed=true
}

# It watches the folder; only where that does not do, it is restarted.
restart() { settled serves || restarted serves; }

take_out() {
  if ! known "$CONFIG" && ! has_note restart; then return; fi
  echo pending | note restart
  take_back "$CONFIG"
  if [ -e "$FILE" ] || ! runs; then return; fi
  # Somebody else may have brought it too.
  gone=is_gone
  ! cat "$ROOT"/etc/k0s/containerd.d/*.toml 2>/dev/null | handlers | grep -qxF "$NAME" || gone=answers
  settled "$gone" || restarted "$gone" || refuse "HST-77 runtime" "k0s did not come back without the handler $NAME" "journalctl -u $UNIT"
}
