# shellcheck shell=sh
# Step `tools`: puts the bundle that it came with where all other steps call it, and says what the host is and has.
# Older bundles stay, because the state may still hold a step that calls them.

# shellcheck source=host/lib.sh
. "${0%/*}/lib.sh"
alone

home=$OURS/$GR_BUNDLE
us="$(cat "$ROOT/etc/machine-id" 2>/dev/null || :) $GR_HOST"

apply() {
  if [ "$(fingerprint "$home" 2>/dev/null)" != "$GR_BUNDLE" ] || [ "$(stat -c %a "$home")" != 755 ]; then
    rm -rf "$home" "$home.gpu-ready"
    mkdir -p "$home.gpu-ready"
    cp "${0%/*}"/*.sh "$home.gpu-ready"
    chmod 0644 "$home.gpu-ready"/*
    chmod 0755 "$OURS" "$home.gpu-ready"
    mv "$home.gpu-ready" "$home"
  fi
  [ "$(fingerprint "$home")" = "$GR_BUNDLE" ] ||
    refuse "HST-75 access" "the tools did not arrive as they were sent" "look for a full disk: df $OURS; then pulumi up"
  echo "$us" | put "$OURS/machine"
  echo "GR_BRANCHES='${GR_BRANCHES-}'" | sh "$home/facts.sh" apply
}

# The second time there has to be the note of the first: without it this is another machine, or the same one anew.
again() {
  [ "$(cat "$OURS/machine" 2>/dev/null)" = "$us" ] ||
    refuse "HST-70 access" "this machine has no note of $GR_HOST, which was made ready here" \
      "correct address and hostKey; installed anew: pulumi up --replace on its step tools; gone: state: abandoned"
  apply
}

# In a replacement this runs after the new `apply`: while a step has something to take back, the tools for it stay.
remove() {
  if [ -n "$(ls -A "$RECORD" 2>/dev/null)" ]; then
    say "the tools stay: other steps have not been removed: $(ls "$RECORD")"
    return
  fi
  rm -rf "$OURS"
  rm -f "$LOCK"
}

"$VERB"
