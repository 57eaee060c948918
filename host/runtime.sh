# shellcheck shell=sh
# Step `runtime`: whatever the kubelet of this node gives its containers to learns the handler `nvidia`, and loses nothing
# that it knew.
#
# One file for each family, of one shape: `look` finds out what is there, `has_it` whether the handler is, `write` puts it
# there (nothing where the runtime finds it by itself), `answers` and `serves` ask the daemon, `take_out` is the reverse.
# What is alike stands here: the restart that was promised, the proof, the way back.

# shellcheck source=host/lib.sh
. "${0%/*}/lib.sh"
alone

NAME=nvidia
release=''
know "${GR_KIND:-containerd}"
case $KIND in
k3s | rke2) FAMILY=rancher ;;
*) FAMILY=$KIND ;;
esac
UNIT=${GR_UNIT:-$KIND}

apply() {
  undertake
  look
  if ! is_ours && has_it; then adopt; else configure; fi
}

done_with() { answer runtime "$(quoted "$KIND")" version "$(quoted "$release")" changed "$1"; }

adopt() {
  echo "$CONFIG" | note adopted
  meet
  serves || restart || refuse "RT-1 runtime" "$UNIT runs without the handler that its file has" "systemctl restart $UNIT"
  done_with false
}

configure() {
  meet
  changed=false
  write
  if has_note restart || ! serves; then
    restart || roll_back
    drop restart
  fi
  done_with "$changed"
}

# handler_tables PLUGIN: the handler as containerd wants it said.
handler_tables() {
  table=$(printf '[plugins."%s".containerd.runtimes.%s' "$1" "$NAME")
  printf '%s]\n  runtime_type = "io.containerd.runc.v2"\n' "$table"
  printf '%s.options]\n    BinaryName = "/usr/bin/nvidia-container-runtime"\n' "$table"
  printf '    SystemdCgroup = %s\n' "$(systemd_cgroup)"
}

# Of runc, because pods restart for ever where the two differ.
systemd_cgroup() {
  awk '/^ *\[/ {on = ($0 ~ /\.runtimes\.runc\.options\]/)} on && $1 == "SystemdCgroup" {value = $3} END {print value == "true" ? "true" : "false"}' "$T/before"
}

# --- the daemon -------------------------------------------------------------------------------------------------------

runs() { active "$UNIT"; }

serves() { answers && grep -q "\"$NAME\"" "$T/info"; }

restarted() {
  run timeout -k 10 300 systemctl restart "$UNIT" && settled "$1"
}

settled() {
  pause=1
  until "$1"; do
    [ "$pause" -lt 8 ] || return 1
    sleep "$pause"
    pause=$((pause + 1))
  done
}

restart() { restarted serves; }

# What has to be done comes before any word about it.
roll_back() {
  cp "$T/said" "$T/why"
  take_back "$CONFIG"
  back="the old file is in place"
  restarted answers || back="it does not come back with its old file either"
  take_back_files
  drop restart
  drop begun
  plain <"$T/why" >&2 || :
  refuse "HST-77 runtime" "$UNIT did not come back with the handler $NAME; $back" "journalctl -u $UNIT"
}

remove() {
  take_out
  take_back_files
  drop restart
  drop restarted
  drop adopted
  drop begun
}

# It may know better than what stands here.
# shellcheck source=/dev/null
. "${0%/*}/runtime_$FAMILY.sh"

"$VERB"
