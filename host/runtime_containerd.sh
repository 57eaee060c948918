# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154
# containerd of a node that has it as a service of its own, part of runtime.sh.
#
# One marked block goes into the main file, for all versions: before 2.1 an imported file replaces whole sections of it,
# and from 2.0 on one that is newer than the main file is ignored or refused. What containerd itself reads out of the
# candidate (`config dump`) must be what it read before plus the handler; only then is it put in place.

CONFIG=${GR_RUNTIME_CONFIG:-$CONFIG}
FILE=$ROOT$CONFIG
BEGIN="# gpu-ready begin: written by gpu-ready, which takes it away again"
END="# gpu-ready end"

look() {
  release=$(containerd_version)
  [ -n "$release" ] || refuse "HST-65 runtime" "containerd does not say its version" "use a node with containerd"
  [ ! -L "$FILE" ] || refuse "HST-65 runtime" "$CONFIG is a link: something else owns it" "set up the handler $NAME there"
  read_by_containerd "$FILE" "$T/before" || {
    last_words
    refuse "HST-77 runtime" "containerd does not understand its own $CONFIG" "mend it: containerd -c $CONFIG config dump"
  }
  handlers <"$T/before" >"$T/handlers"
  [ -s "$T/handlers" ] || refuse "TK-6 runtime" "containerd runs without its CRI plugin" "enable it in $CONFIG"
}

is_ours() { known "$CONFIG"; }

has_it() {
  grep -qxF "$NAME" "$T/handlers" || return 1
  grep -q nvidia-container-runtime "$T/before" ||
    refuse "RT-1 runtime" "the handler $NAME is not run by nvidia-container-runtime" "correct its BinaryName in $CONFIG"
}

write() {
  candidate >"$T/candidate"
  if cmp -s "$T/candidate" "$FILE" && ours "$CONFIG"; then return; fi
  try
  echo pending | note restart
  place "$CONFIG" "$T/without" <"$T/candidate"
  changed=true
}

read_by_containerd() {
  run config_dump "$1" || return 1
  # Its warnings come between, and begin with a time or a level.
  grep -vE '^(time=|level=|[A-Z]+\[)' "$T/said" >"$2"
}

# --- the candidate ----------------------------------------------------------------------------------------------------

without_block() { if [ -e "$FILE" ]; then sed "/^# gpu-ready begin/,/^$END\$/d" "$FILE"; fi; }

candidate() {
  [ "$(grep -c '^# gpu-ready begin' "$FILE" 2>/dev/null || :)" = "$(grep -cxF "$END" "$FILE" 2>/dev/null || :)" ] ||
    refuse "HST-77 runtime" "the block of gpu-ready in $CONFIG has lost its first or last line" "remove the rest of it by hand"
  without_block >"$T/without"
  declared=$(config_version "$T/without")
  cat "$T/without"
  [ -z "$(tail -c 1 "$T/without")" ] || echo
  echo "$BEGIN"
  if [ -z "$declared" ]; then
    # Nothing but comments: a file of ours. Otherwise it is of the first form, which nobody wrote for a kubelet.
    ! grep -qE '^[[:space:]]*[^#[:space:]]' "$T/without" ||
      refuse "TK-6 runtime" "$CONFIG declares no version" "write it anew: containerd config default > $CONFIG"
    case $release in 1.*) declared=2 ;; *) declared=3 ;; esac
    echo "version = $declared"
  fi
  case $declared in 2) plugin=io.containerd.grpc.v1.cri ;; *) plugin=io.containerd.cri.v1.runtime ;; esac
  grep -q '\.runtimes\.runc\]' "$T/without" || runc_as_read
  handler_tables "$plugin"
  echo "$END"
}

# With a table of ours the one for runc is no longer a matter of course, so it is said as containerd has it.
runc_as_read() {
  awk -v plugin="$plugin" '/^ *\[/ {on = ($0 ~ /\.runtimes\.runc[].]/); if (on) sub(/plugins\.[^.]*.io[^]]*\.containerd\.runtimes/, "plugins.\"" plugin "\".containerd.runtimes")} on && NF' "$T/before"
}

# What containerd reads, without our handler and without the names of the files.
all_but_ours() { awk -v name="$NAME" '/^ *\[/ {skip = index($0, ".runtimes." name "]") || index($0, ".runtimes." name ".")} !skip && !/^ *imports *=/ && NF' "$1"; }

try() {
  make_folder "${CONFIG%/*}"
  # Beside the file, because its imports may be relative to it.
  cp "$T/candidate" "$FILE.gpu-ready"
  good=0
  read_by_containerd "$FILE.gpu-ready" "$T/after" || good=$?
  rm -f "$FILE.gpu-ready"
  [ "$good" = 0 ] || {
    last_words
    refuse "HST-77 runtime" "containerd refuses the new $CONFIG; the old one was not touched" "read its words above"
  }
  ! grep -q "Ignoring unknown key" "$T/said" || {
    last_words
    refuse "HST-77 runtime" "containerd would ignore a part of the new $CONFIG; the old one was not touched" "read its words above"
  }
  handlers <"$T/after" | grep -qxF "$NAME" ||
    refuse "RT-1 runtime" "an imported file hides the section of $CONFIG" "set up the handler $NAME in that file"
  all_but_ours "$T/before" >"$T/one"
  all_but_ours "$T/after" >"$T/two"
  cmp -s "$T/one" "$T/two" || {
    diff "$T/one" "$T/two" >"$T/said" || last_words
    refuse "HST-77 runtime" "more than the handler would change in $CONFIG; it was not touched" "set up the handler $NAME by hand"
  }
}

# --- the daemon -------------------------------------------------------------------------------------------------------

# meet: which client the daemon answers to, before anything is changed; one that never fitted (an old crictl, a socket
# elsewhere) says nothing about the change. Where an earlier run was cut off, or nothing runs, either will do.
meet() {
  for client in by_crictl by_ctr; do ! answers || return 0; done
  client=by_either
  ! runs || has_note restart ||
    refuse "HST-34 runtime" "containerd runs, and its CRI plugin answers neither crictl nor ctr, so nothing could prove a change" \
      "on the host: crictl --runtime-endpoint unix:///run/containerd/containerd.sock info; ctr plugins ls"
}

# answers: the daemon is there with its CRI plugin; what handlers it has is left in $T/info.
answers() { runs && "$client" >"$T/info"; }

by_ctr() {
  ctr plugins ls 2>/dev/null | grep -qE '^io\.containerd\.grpc\.v1 +cri .* ok *$' &&
    config_dump "$FILE" 2>/dev/null | handlers | sed 's/.*/"&"/'
}

by_either() { by_crictl || by_ctr; }

# --- the reverse ------------------------------------------------------------------------------------------------------

take_out() {
  rm -f "$FILE.gpu-ready"
  if ! known "$CONFIG" && ! has_note restart; then return; fi
  echo pending | note restart
  meet
  if [ -e "$FILE" ]; then cp -p "$FILE" "$T/current"; fi
  if [ -e "$FILE" ] && ! ours "$CONFIG" && grep -q '^# gpu-ready begin' "$FILE"; then strip; fi
  take_back "$CONFIG"
  if [ -n "$(containerd_version)" ] && ! restarted answers; then
    if [ -e "$T/current" ]; then put "$FILE" <"$T/current"; fi
    restarted answers || :
    refuse "HST-77 runtime" "containerd did not come back without the handler; its file is as it was" "journalctl -u containerd"
  fi
}

# Somebody else's changes stay: only our block goes.
strip() {
  say "$CONFIG was edited since; only the block of gpu-ready is taken out of it"
  without_block >"$T/without"
  run config_dump "$T/without" || {
    last_words
    refuse "HST-77 runtime" "without the block of gpu-ready containerd refuses $CONFIG" "mend it by hand"
  }
  cp -p "$FILE" "$FILE.gpu-ready"
  put "$FILE" <"$T/without"
}
