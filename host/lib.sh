# shellcheck shell=sh
# What all steps share. A step is `sh STEP.sh apply|remove`, as root; its values come by stdin, quoted assignments.
#
# Nothing here trusts an exit code alone, and each change is written down before it is made: whoever kills a step at
# any line leaves a record from which both `apply` and `remove` find their way.

set -eu
TOLD=$(sed -n '/^GR_[A-Z][A-Z0-9_]*=/p')
eval "$TOLD"
exec </dev/null
# A lost connection takes the reader of our words away; caught (not ignored), so that children are as ever.
trap : PIPE
umask 022
export LC_ALL=C DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true NEEDRESTART_SUSPEND=1
# A non-login session of Debian has no sbin.
PATH=$PATH:/usr/sbin:/sbin

ROOT=${GPU_READY_ROOT-}
# Only root makes files there: a pattern in a list of versions meets none.
cd "$ROOT/"
OURS=$ROOT/var/lib/gpu-ready
RECORD=$OURS/record
STEP=${0##*/}
STEP=${STEP%.sh}
VERB=$1
T=$ROOT/run/gpu-ready.$$
LOCK=$ROOT/run/gpu-ready.lock
# A step gives up within one connection, the error hook asks again.
PATIENCE=120

# --- words ------------------------------------------------------------------------------------------------------------

# Foreign text may hold any byte; one that is no UTF-8 breaks the engine.
plain() { tr -cd '\11\12\40-\176'; }

# Whoever listened may be gone; what has to be done is done all the same.
say() { printf 'gpu-ready: %s\n' "$*" | plain >&2 || :; }

# refuse "ID layer" PROBLEM FIX
refuse() {
  printf '%s: %s\nfix: %s\n' "$1" "$2" "$3" | plain >&2
  exit 3
}

not_yet() {
  printf 'gpu-ready: not yet: %s\n' "$*" | plain >&2
  exit 75
}

# quoted VALUE: as JSON; most are plain, and four processes for each add up.
quoted() {
  case $1 in
  *[!a-zA-Z0-9\ ._:/-]*) printf '"%s"' "$(printf %.300s "$1" | tr -cd '\40-\176' | sed 's/[\\"]/\\&/g')" ;;
  *) printf '"%.300s"' "$1" ;;
  esac
}

# list_of < lines: a JSON list of strings.
list_of() { tr -cd '\12\40-\176' | sed 's/[\\"]/\\&/g; s/.*/"&"/' | paste -sd, - | sed 's/.*/[&]/; s/^$/[]/'; }

# spoken_for: ends with the refusals that the plan has for this host, if it has any.
spoken_for() {
  [ -n "${GR_REFUSALS-}" ] || return 0
  count=0
  while [ "$count" -lt "$GR_REFUSALS" ]; do
    count=$((count + 1))
    eval "printf '%s\\n' \"\$GR_REFUSALS_$count\""
  done | plain >&2
  exit 3
}

# Whether a command says yes, as JSON.
yes_no() { if "$@" >/dev/null 2>&1; then echo true; else echo false; fi; }

# answer KEY JSON KEY JSON ...: the one line on stdout.
answer() {
  printf '{"%s": %s' "$1" "$2"
  shift 2
  while [ $# -gt 0 ]; do
    printf ', "%s": %s' "$1" "$2"
    shift 2
  done
  printf '}\n'
}

# --- one at a time ----------------------------------------------------------------------------------------------------

# fingerprint FOLDER: what its scripts say, in one word: its name, unless somebody changed them.
fingerprint() { (cd "$1" && for script in *.sh; do echo "$script"; cat "$script"; done | sha256sum | cut -c1-16); }

begin() {
  rm -rf "$T"
  mkdir -p "$T"
  trap 'rm -rf "$T"' EXIT
  trap 'exit 1' HUP INT TERM
  id=$(cat "$ROOT/etc/machine-id" 2>/dev/null || :)
  # Earlier releases told it as a whole.
  seen=${GR_CLAIM-}
  seen=${GR_MACHINE_ID:-${seen%????????}}
  [ "${id#"$seen"}" != "$id" ] || [ -z "$seen" ] ||
    refuse "HST-70 access" "this is machine $id, first seen here was $seen" \
      "correct address and hostKey; installed anew or gone: state: abandoned, pulumi up; then declare it under another name"
  case $0 in
  "$OURS"/*)
    [ "$OURS/$(fingerprint "${0%/*}")" = "${0%/*}" ] ||
      refuse "HST-75 access" "somebody changed the tools in ${0%/*}" "look: another number"
    ;;
  esac
}

alone() {
  begin
  [ -z "${GPU_READY_HELD-}" ] || return 0
  exec 9>>"$LOCK"
  flock -w "$PATIENCE" 9 || not_yet "HST-72 another run is at work: $(head -n 1 "$LOCK")"
  echo "process $$, step $STEP $VERB" >"$LOCK"
  whose_note
  [ "${claim:-${GR_CLAIM-}}" = "${GR_CLAIM:-$claim}" ] || handed_over
  [ "$VERB $STEP" != "remove tools" ] || [ "${whose:-$GR_HOST}" = "$GR_HOST" ] || handed_over
  case $VERB in remove) unheard ;; *) confirm ;; esac
}

# Of the notes of the step `tools`: for which machine, whose it is, the token of the claim and who claimed.
# shellcheck disable=SC2034
whose_note() {
  for_id='' whose='' over='' claim='' claimed_by=''
  [ ! -s "$OURS/machine" ] || read -r for_id whose over <"$OURS/machine" || :
  [ ! -s "$OURS/claim" ] || read -r claim claimed_by <"$OURS/claim" || :
}

# Who holds the machine now takes back what was done to it.
handed_over() {
  [ "$VERB" = remove ] ||
    refuse "HST-93 access" "this machine is ${whose:-$claimed_by}'s by now" "take it out here, what was done stays"
  say "left as it is, because this machine is ${whose:-$claimed_by}'s by now: what step $STEP did"
  exit 0
}

# A step whose end the engine never heard of is in no state, so nothing would take it back: until a later step proves
# that it was heard, what it was told is kept, and the removal of those before it begins with it. Of a step that has a
# record, a state knows.
undertake() {
  record_folder
  for one in "$RECORD/$STEP".*; do
    case $one in *.gpu-ready) ;; *) [ ! -e "$one" ] || return 0 ;; esac
  done
  { echo "GR_BEGUN='yes'"; echo "$TOLD" | sed '/^GR_CLAIM=/d; /^GR_TOKEN=/d'; } | put "$RECORD/$STEP.begun"
}

unheard() {
  for later in runtime join toolkit store driver; do
    [ "$later" != "$STEP" ] || break
    [ ! -s "$RECORD/$later.begun" ] || GPU_READY_HELD=yes sh "${0%/*}/$later.sh" remove <"$RECORD/$later.begun"
  done
}

confirm() {
  case $STEP in
  reboot | store) heard=driver ;;
  toolkit) heard="driver store" ;;
  join) heard="driver store toolkit" ;;
  runtime) heard="driver store toolkit join" ;;
  check) heard="driver store toolkit join runtime" ;;
  *) heard= ;;
  esac
  for heard in $heard; do rm -f "$RECORD/$heard.begun"; done
}

# run COMMAND ...: its words go to a file, so that no lost connection ends it; without our lock, which it might keep.
run() { "$@" >"$T/said" 2>&1 9>&-; }

last_words() { tail -n "${1:-12}" "$T/said" | plain >&2 || :; }

# --- the record -------------------------------------------------------------------------------------------------------

put() { cat >"$1.gpu-ready" && mv -f "$1.gpu-ready" "$1"; }

# note NAME < lines: they join the record NAME of this step.
note() {
  record_folder
  { noted "$1"; cat; } | sort -u >"$T/note"
  [ ! -s "$T/note" ] || put "$RECORD/$STEP.$1" <"$T/note"
}

record_folder() {
  mkdir -p "$RECORD"
  chmod 0700 "$RECORD"
}

noted() { cat "$RECORD/$STEP.$1" 2>/dev/null || :; }

has_note() { [ -s "$RECORD/$STEP.$1" ]; }

# decide: what the plan decided for this step, noted first of all: a later default must not decide anew. What was carried
# out before stays in force until this is: a wish that fails can be withdrawn.
decide() { has_note decided || carried_out; }

carried_out() {
  record_folder
  echo "$GR_DECIDED" | put "$RECORD/$STEP.decided"
}

drop() { rm -f "$RECORD/$STEP.$1" "$RECORD/$STEP.$1.gpu-ready"; }

sum() { sha256sum <"$1" | cut -c1-64; }

backup_of() { echo "$RECORD/$STEP.before$(printf %s "$1" | tr / %)"; }

# ours PATH: the file holds what we wrote.
ours() { [ -e "$ROOT$1" ] && noted files | grep -qxF "$(sum "$ROOT$1") $1"; }

known() { noted files | cut -d' ' -f2- | grep -qxF "$1"; }

# keep_before PATH [BASE]: what is there now and not ours, or BASE instead of it, is what comes back at the end.
keep_before() {
  [ -e "$ROOT$1" ] && ! ours "$1" || return 0
  record_folder
  before=$(backup_of "$1")
  cp -p "$ROOT$1" "$before.part"
  [ -z "${2-}" ] || cat "$2" >"$before.part"
  mv -f "$before.part" "$before"
}

# place PATH [BASE] < content: a file of ours; what stood there is kept, where and as what we write is noted before.
place() {
  cat >"$T/file"
  ! { cmp -s "$T/file" "$ROOT$1" && ours "$1"; } || return 0
  keep_before "$@"
  make_folder "${1%/*}"
  echo "$(sum "$T/file") $1" | note files
  if [ -e "$ROOT$1" ]; then cp -p "$ROOT$1" "$ROOT$1.gpu-ready"; fi
  put "$ROOT$1" <"$T/file"
}

make_folder() {
  [ -d "$ROOT$1" ] && return
  make_folder "${1%/*}"
  echo "$1" | note folders
  mkdir -p "$ROOT$1"
}

# take_back PATH: what stood there before comes again; what somebody edited since stays.
take_back() {
  rm -f "$ROOT$1.gpu-ready"
  before=$(backup_of "$1")
  if [ ! -e "$ROOT$1" ]; then
    :
  elif ours "$1"; then
    if [ -e "$before" ]; then
      cp -p "$before" "$ROOT$1.gpu-ready"
      mv -f "$ROOT$1.gpu-ready" "$ROOT$1"
    else
      rm -f "$ROOT$1"
    fi
  elif [ ! -e "$before" ] || ! cmp -s "$before" "$ROOT$1"; then
    say "left in place, because somebody edited it: $1"
  fi
  noted files | awk -v path="$1" '$2 != path' >"$T/known"
  ! has_note files || put "$RECORD/$STEP.files" <"$T/known"
  rm -f "$before" "$before.part"
}

take_back_files() {
  noted files | cut -d' ' -f2- | sort -u >"$T/files"
  while read -r path; do take_back "$path"; done <"$T/files"
  noted folders | sort -r >"$T/folders"
  while read -r path; do rmdir "$ROOT$path" 2>/dev/null || :; done <"$T/folders"
  rm -f "$RECORD/$STEP.before"*
  drop files
  drop folders
}

of_os() { sed -n "s/^$1=//p" "$ROOT/etc/os-release" 2>/dev/null | head -n 1 | tr -d "\"'"; }

# shellcheck source=host/packages.sh
. "${0%/*}/packages.sh"
# shellcheck source=host/card.sh
. "${0%/*}/card.sh"
# shellcheck source=host/node.sh
. "${0%/*}/node.sh"
