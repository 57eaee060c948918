# shellcheck shell=sh
# shellcheck disable=SC2154
# Step `tools`: puts the bundle that it came with where all other steps call it, with the file that it came as, from
# which it comes again where that is gone by then; and says what the host is and has.
# Older bundles stay, because the state may still hold a step that calls them.
#
# Whose machine this is stands on the machine: `machine` says which one, and who holds it; `claim` is the token of that
# claim, which all other steps of the holder know; it begins as the machine-id does. Without the first anybody may claim
# the machine, with all that was noted on it; the token is then another one, and the steps of the earlier holder leave
# alone what they did.

# shellcheck source=host/lib.sh
. "${0%/*}/lib.sh"
alone

home=$OURS/$GR_BUNDLE

used() { [ -n "$(ls -A "$RECORD" 2>/dev/null)" ]; }

is_anothers() { refuse "HST-93 access" "this machine is $whose's, and this is $GR_HOST" "$1"; }

apply() {
  if [ "$for_id" = "$id" ] && [ -n "$whose" ]; then
    [ "$whose" = "$GR_HOST" ] ||
      is_anothers "keep that name; or take it out there first; to hand it over, or if that stack is lost: on the host: rm $OURS/machine; a copied disk wants its own machine-id"
  else
    over=$(if used; then echo over; fi)
    claim=''
    [ -e "$OURS" ] || trap '[ $? = 0 ] || rm -rf "$OURS"; rm -rf "$T"' EXIT
  fi
  work
}

# The second time there has to be the note of the first: without it this is another machine, or the same one anew. A
# stack that was renamed is the same one; but one that took the machine over is another.
again() {
  was="this machine was ${whose:-nobody}'s, it is $GR_HOST's from now on"
  if [ -z "$whose" ] && used; then
    say "$was"
    [ "$claimed_by" = "$GR_HOST" ] || claim=''
  elif [ "$for_id" != "$id" ] || [ -z "$whose" ]; then
    refuse "HST-70 access" "this machine has no note of $GR_HOST, which was made ready here" \
      "correct address and hostKey; installed anew or gone: state: abandoned, pulumi up; then declare it under another name"
  elif [ "$whose" != "$GR_HOST" ]; then
    { [ "${whose##*/}" = "${GR_HOST##*/}" ] && [ -z "$over" ]; } ||
      is_anothers "take it out here, what was done stays; or take it back: on the host: rm $OURS/machine"
    say "$was"
  fi
  work
}

# The notes come last: who fails before has claimed nothing.
work() {
  if [ "$(fingerprint "$home" 2>/dev/null)" != "$GR_BUNDLE" ] || [ "$(stat -c %a "$home")" != 755 ] ||
    ! cmp -s "${0%/*}/bundle" "$home/bundle"; then
    rm -rf "$home" "$home.gpu-ready"
    mkdir -p "$home.gpu-ready"
    cp "${0%/*}"/*.sh "${0%/*}/bundle" "$home.gpu-ready"
    chmod 0644 "$home.gpu-ready"/*
    chmod 0755 "$OURS" "$home.gpu-ready"
    mv "$home.gpu-ready" "$home"
  fi
  [ "$(fingerprint "$home")" = "$GR_BUNDLE" ] ||
    refuse "HST-75 access" "the tools did not arrive as they were sent" "look for a full disk: df $OURS; then pulumi up"
  printf "GR_BRANCHES='%s'\nGR_STORE='%s'\nGR_RECOMMENDED='%s'\n" "${GR_BRANCHES-}" "${GR_STORE-}" "${GR_RECOMMENDED-}" | sh "$home/facts.sh" apply >"$T/facts"
  [ -n "$claim" ] || claim=$(echo "$id" | cut -c1-12)$(echo "$(boot_id) $(date +%s) $$ $GR_HOST" | sha256sum | cut -c1-8)
  echo "$claim $GR_HOST" | put "$OURS/claim"
  echo "$id $GR_HOST${over:+ $over}" | put "$OURS/machine"
  sed "s/}\$/, \"claim\": \"$claim\"}/" "$T/facts"
}

# In a replacement this runs too: while a step has something to take back, the tools for it stay.
remove() {
  rm -f "$RECORD"/*.gpu-ready
  if used; then
    say "the tools stay: other steps have not been removed: $(ls "$RECORD")"
    return
  fi
  # Whoever waits for the lock has it open: its file stays, or two would work at once.
  rm -rf "$OURS"
}

"$VERB"
