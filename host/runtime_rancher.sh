# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154
# k3s and RKE2, part of runtime.sh: they write the settings of their containerd at each start, with a handler for each
# runtime that they find then. So nothing is written here, ever: they are started once more, and what they wrote is read.

FILE=$ROOT$CONFIG

look() {
  release="containerd $(containerd_version)"
  runs || refuse "RT-13 runtime" "$UNIT does not run, so it writes no settings for its containerd" "on the host: systemctl start $UNIT"
  hidden=$(hiding_template)
  [ -z "$hidden" ] || refuse "RT-12 runtime" "$hidden is somebody's own template, and leaves out the handler $NAME" \
    "put this line at its head and take out what it repeats: {{ template \"base\" . }}; or remove it"
}

is_ours() { has_note restarted; }

in_file() {
  handlers <"$FILE" 2>/dev/null | grep -qxF "$NAME" || return 1
  grep -q nvidia-container-runtime "$FILE" ||
    refuse "RT-1 runtime" "the handler $NAME in $CONFIG is not run by nvidia-container-runtime" "correct its BinaryName in the template beside it"
}

has_it() { in_file; }

# It may be about to come up, after an earlier run that was cut off, or by itself.
meet() { :; }

answers() { runs && by_crictl >"$T/info" && grep -q RuntimeReady "$T/info"; }

write() {
  # Nobody looks for it again when the toolkit goes: it stays.
  rm -f "$RECORD/toolkit.restart"
  if ! serves || ! in_file; then
    echo "$UNIT" | note restarted
    echo pending | note restart
    changed=true
  fi
}

restart() { restarted serves && in_file; }

# Nothing was written that could be taken back.
roll_back() {
  last_words
  path=$(head -n 1 "$ROOT/etc/default/$UNIT" 2>/dev/null | plain || :)
  refuse "RT-14 runtime" "$UNIT was restarted, and its $CONFIG has no handler $NAME" \
    "on the host: ls -l /usr/bin/nvidia-container-runtime; journalctl -u $UNIT${path:+; the PATH in /etc/default/$UNIT}"
}

# They find the toolkit until it is gone: the step that takes it away has them look again.
take_out() {
  if [ -s "$RECORD/toolkit.packages" ]; then echo "$UNIT" | put "$RECORD/toolkit.restart"; fi
}
