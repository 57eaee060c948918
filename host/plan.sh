# shellcheck shell=sh
# Step `plan`: speaks what was decided of this host's facts. A refusal ends here, before anything is changed.

# shellcheck source=host/lib.sh
. "${0%/*}/lib.sh"
begin

# each LIST: its lines.
each() {
  count=0
  while [ "$count" -lt "$(eval "echo \"\${$1:-0}\"")" ]; do
    count=$((count + 1))
    eval "printf '%s\\n' \"\$$1_$count\""
  done
}

apply() {
  each GR_REFUSALS | plain >&2
  [ "${GR_REFUSALS:-0}" = 0 ] || exit 3
  each GR_LINES | plain >&2
  answer refused false plan "$(quoted "$GR_PLAN")"
}

"$VERB"
