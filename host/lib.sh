# shellcheck shell=sh
# What all steps share. A step is `sh STEP.sh apply|remove`, as root; its values come by stdin, quoted assignments.
#
# Nothing here trusts an exit code alone, and each change is written down before it is made: whoever kills a step at
# any line leaves a record from which both `apply` and `remove` find their way.

set -eu
eval "$(sed -n '/^GR_[A-Z][A-Z0-9_]*=/p')"
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

say() { printf 'gpu-ready: %s\n' "$*" | plain >&2; }

# refuse "ID layer" PROBLEM FIX
refuse() {
  printf '%s: %s\nfix: %s\n' "$1" "$2" "$3" | plain >&2
  exit 3
}

not_yet() {
  printf 'gpu-ready: not yet: %s\n' "$*" | plain >&2
  exit 75
}

quoted() { printf '"%s"' "$(printf %.300s "$1" | tr -cd '\40-\176' | sed 's/[\\"]/\\&/g')"; }

# list_of < lines: a JSON list of strings.
list_of() { tr -cd '\12\40-\176' | sed 's/[\\"]/\\&/g; s/.*/"&"/' | paste -sd, - | sed 's/.*/[&]/; s/^$/[]/'; }

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
  [ -z "${GR_MACHINE_ID-}" ] || [ "$id" = "$GR_MACHINE_ID" ] ||
    refuse "HST-70 access" "this is machine $id, first seen here was $GR_MACHINE_ID" \
      "correct address and hostKey; for a host that is gone: state: abandoned"
  case $0 in
  "$OURS"/*)
    [ "$OURS/$(fingerprint "${0%/*}")" = "${0%/*}" ] ||
      refuse "HST-75 access" "somebody changed the tools in ${0%/*}" "pulumi up --replace on the host's step tools"
    ;;
  esac
}

alone() {
  begin
  exec 9>>"$LOCK"
  flock -w "$PATIENCE" 9 || not_yet "HST-72 another run is at work: $(head -n 1 "$LOCK")"
  echo "process $$, step $STEP $VERB" >"$LOCK"
}

# run COMMAND ...: its words go to a file, so that no lost connection ends it; without our lock, which it might keep.
run() { "$@" >"$T/said" 2>&1 9>&-; }

last_words() { tail -n "${1:-12}" "$T/said" | plain >&2; }

# --- the record -------------------------------------------------------------------------------------------------------

put() { cat >"$1.gpu-ready" && mv -f "$1.gpu-ready" "$1"; }

# note NAME < lines: they join the record NAME of this step.
note() {
  record_folder
  { noted "$1"; cat; } | sort -u >"$T/note"
  put "$RECORD/$STEP.$1" <"$T/note"
}

record_folder() {
  mkdir -p "$RECORD"
  chmod 0700 "$RECORD"
}

noted() { cat "$RECORD/$STEP.$1" 2>/dev/null || :; }

has_note() { [ -s "$RECORD/$STEP.$1" ]; }

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
  drop files
  drop folders
}

# --- packages ---------------------------------------------------------------------------------------------------------

# "NAME VERSION" of each package that is wholly there.
# shellcheck disable=SC2016
packages() { dpkg-query -W -f '${db:Status-Abbrev}|${Package}|${Version}\n' 2>/dev/null | sed -n 's/^.i *|\(.*\)|/\1 /p'; }

# version_of NAME < packages
version_of() { awk -v name="$1" '$1 == name {print $2}'; }

apt_get() {
  run apt-get -y -q -o DPkg::Lock::Timeout="$PATIENCE" -o Dpkg::Options::=--force-confdef \
    -o Dpkg::Options::=--force-confold --no-install-recommends --allow-downgrades "$@"
}

LOCKED="Could not get lock|was locked by another process"

# Says why a command of apt failed, in the words of the catalogue.
apt_failed() {
  ! grep -qE "$LOCKED" "$T/said" || not_yet "TK-12 $(grep -E -m 1 "$LOCKED" "$T/said")"
  last_words
  ! grep -q "Bad return status for module build" "$T/said" ||
    refuse "DRV-8 driver" "the module was not built for this kernel" "take a newer driver branch or an older kernel"
  ! grep -qE "No space left on device|enough free space" "$T/said" ||
    refuse "HST-32 packages" "there is not enough room on the disk" "make room: apt-get clean"
  ! grep -qE "NO_PUBKEY|is not signed|EXPKEYSIG" "$T/said" ||
    refuse "TK-1 packages" "a repository is not signed with its pinned key" "read what apt says above"
  refuse "HST-80 packages" "apt-get $1 failed" "read its last lines above; on the host: apt-get -f install"
}

mend_dpkg() {
  [ -n "$(dpkg --audit 2>/dev/null)" ] || return 0
  has_note packages || refuse "HST-31 packages" "dpkg was interrupted" "on the host: dpkg --configure -a"
  say "an earlier run was cut off: dpkg goes on"
  run dpkg --force-confold --configure -a || apt_failed configure
}

# DPkg::Lock::Timeout does not cover the lock of the lists.
update_lists() {
  left=$PATIENCE
  until run apt-get -q update || ! grep -qE "$LOCKED" "$T/said"; do
    [ "$left" -gt 0 ] || apt_failed update
    sleep 5
    left=$((left - 5))
  done
  # A foreign repository may be broken: whether ours answered is seen by what it offers.
  cp "$T/said" "$T/updated"
}

# repository: the list and the key that GR_REPO and GR_KEY name, unless the host lists that repository already.
repository() {
  [ -n "${GR_REPO-}" ] || return 0
  address=${GR_REPO%% *}
  address=${address%/}
  list=/etc/apt/sources.list.d/gpu-ready-$GR_REPO_NAME.list
  key=/usr/share/keyrings/gpu-ready-$GR_REPO_NAME.asc
  others=$(grep -rlF "${address%/*}" "$ROOT/etc/apt/sources.list" "$ROOT/etc/apt/sources.list.d" 2>/dev/null |
    grep -vxF -e "$ROOT$list" -e "$ROOT$list.gpu-ready" || :)
  if [ -n "$others" ]; then
    say "used as it is listed in ${others#"$ROOT"}: $address"
    return
  fi
  # Part of apt, knows its proxies, and takes nothing but what has the pinned checksum.
  run "$ROOT/usr/lib/apt/apt-helper" download-file "$GR_KEY_URL" "$T/${GR_KEY_URL##*/}" "SHA256:$GR_KEY_SHA256" || {
    last_words
    refuse "TK-1 packages" "no key with the pinned checksum came from $GR_KEY_URL" "read the words above; pins: decide/defaults.py"
  }
  if [ "$GR_KEY_KIND" = keyring ]; then
    # A package, which brings its list along.
    echo "${GR_KEY_URL##*/}" | sed 's/_.*//' | note packages
    apt_get install "$T/${GR_KEY_URL##*/}" || apt_failed "install ${GR_KEY_URL##*/}"
  else
    place "$key" <"$T/${GR_KEY_URL##*/}"
    echo "deb [signed-by=$key] $GR_REPO" | place "$list"
  fi
}

# offered NAME[=PATTERN]: the version that would be taken, the one that apt prefers before all others.
offered() {
  pattern='?*'
  case $1 in *=*) pattern=${1#*=} ;; esac
  {
    apt-cache policy "${1%%=*}" | sed -n 's/^  Candidate: //p' | grep -vxF '(none)'
    apt-cache madison "${1%%=*}" | awk -F'|' '{gsub(/ /, "", $2); print $2}'
  } 2>/dev/null | fits "$pattern"
}

# fits PATTERN < versions: the first that fits it.
fits() {
  while read -r version; do
    # shellcheck disable=SC2254
    case $version in $1)
      echo "$version"
      break
      ;;
    esac
  done
}

# missing ITEM ...: those that are not installed as wished.
missing() {
  packages >"$T/installed"
  for item; do
    pattern='?*'
    case $item in *=*) pattern=${item#*=} ;; esac
    [ -n "$(version_of "${item%%=*}" <"$T/installed" | fits "$pattern")" ] || echo "$item"
  done
}

# resolved ITEM ...: " NAME=VERSION ..." of those that are not installed as wished.
resolved() {
  for item in $(missing "$@"); do
    version=$(offered "$item")
    if [ -z "$version" ]; then
      grep -E '^(E|W):' "$T/updated" 2>/dev/null | plain >&2 || :
      refuse "HST-78 packages" "apt does not offer $(echo "$item" | sed 's/=/ /; s/\.\*$//; s/\[.*//')" "leave version out; apt-cache madison ${item%%=*} lists what there is"
    fi
    printf ' %s=%s' "${item%%=*}" "$version"
  done
}

# install ITEM ...: simulated first; what is new is noted before it comes.
install() {
  exact=$(resolved "$@")
  [ -n "$exact" ] || return 0
  free
  # shellcheck disable=SC2086
  apt_get -s install $exact || apt_failed "-s install$exact"
  noted packages >"$T/mine"
  foreign=$(awk '/^Remv /{print $2}' "$T/said" | grep -vxFf "$T/mine" | paste -sd' ' -)
  [ -z "$foreign" ] || refuse "HST-71 packages" "to install$exact apt would remove $foreign" "remove by hand what stands in the way"
  # A kernel that comes along stays: the host may run it by the time all this is taken away.
  awk '/^Inst / && $3 ~ /^\(/ && $2 !~ /^linux-(image|base|modules-([0-9]|extra))/ {print $2}' "$T/said" | note packages
  say "installing$exact"
  # shellcheck disable=SC2086
  apt_get install $exact || apt_failed "install$exact"
  left_out=$(missing "$@" | paste -sd' ' -)
  [ -z "$left_out" ] || refuse "HST-80 packages" "apt-get ended well, but $left_out is not installed" "read /var/log/apt/term.log"
}

# hold PACKAGE ...: those that nobody held before are noted as ours.
hold() {
  apt-mark showhold >"$T/held"
  for package; do grep -qxF "$package" "$T/held" || echo "$package"; done >"$T/unheld"
  [ -s "$T/unheld" ] || return 0
  note holds <"$T/unheld"
  # shellcheck disable=SC2046
  run apt-mark hold $(cat "$T/unheld") || apt_failed hold
}

# free: our own holds are lifted, as far as they still stand.
free() {
  apt-mark showhold >"$T/held"
  noted holds | grep -xFf "$T/held" >"$T/free" || return 0
  # shellcheck disable=SC2046
  run apt-mark unhold $(cat "$T/free") || apt_failed unhold
}

# take_away < names: those that are installed and ours, with nothing else going along.
take_away() {
  packages | cut -d' ' -f1 >"$T/installed"
  grep -xFf "$T/installed" >"$T/going" || return 0
  free
  # shellcheck disable=SC2046
  apt_get -s remove --purge $(cat "$T/going") || apt_failed "-s remove"
  noted packages >"$T/mine"
  foreign=$(awk '/^(Remv|Purg) /{print $2}' "$T/said" | grep -vxFf "$T/mine" | paste -sd' ' -)
  [ -z "$foreign" ] || refuse "HST-71 packages" "apt would remove $foreign as well, which is not ours" \
    "remove it by hand first, or keep all: state: abandoned"
  # shellcheck disable=SC2046
  apt_get remove --purge $(cat "$T/going") || apt_failed remove
}

take_back_packages() {
  free
  noted packages >"$T/all"
  take_away <"$T/all"
  drop holds
  drop packages
  if [ -n "${GR_REPO-}" ]; then run apt-get -q update || say "apt-get update had something to say: see apt"; fi
}

# --- kernel, card, driver ---------------------------------------------------------------------------------------------

boot_id() { cat "$ROOT/proc/sys/kernel/random/boot_id"; }

# cards: address of each NVIDIA display controller.
cards() {
  for card in "$ROOT"/sys/bus/pci/devices/*; do
    [ "$(cat "$card/vendor" 2>/dev/null)" = 0x10de ] || continue
    case $(cat "$card/class" 2>/dev/null) in 0x03*) echo "${card##*/}" ;; esac
  done
}

# holder ADDRESS: the kernel driver that has the card.
holder() {
  link=$(readlink "$ROOT/sys/bus/pci/devices/$1/driver" 2>/dev/null || :)
  echo "${link##*/}"
}

held_by() { for card in $(cards); do holder "$card"; done | grep -qxE "$1"; }

next_kernel() {
  for image in "$ROOT"/boot/vmlinuz-*; do [ ! -e "$image" ] || echo "${image##*/vmlinuz-}"; done | sort -V | tail -n 1
}

has_module() { modinfo -k "$1" -F version nvidia >/dev/null 2>&1; }

loaded() { cat "$ROOT/sys/module/nvidia/version" 2>/dev/null || :; }

# smi ARGUMENT ...: nvidia-smi, given up after a minute; a sick card holds it where no signal reaches it.
smi() {
  : >"$T/smi"
  rm -f "$T/smi.rc"
  { rc=0; nvidia-smi "$@" >"$T/smi" 2>&1 || rc=$?; echo "$rc" >"$T/smi.rc.part"; mv "$T/smi.rc.part" "$T/smi.rc"; } 9>&- &
  left=600
  while [ ! -e "$T/smi.rc" ]; do
    [ "$left" -gt 0 ] || { echo "nvidia-smi hangs" >"$T/smi"; return 124; }
    sleep 0.1
    left=$((left - 1))
  done
  return "$(cat "$T/smi.rc")"
}

# seen: "uuid, name, driver" of each card that the driver shows. 14 is a damaged infoROM; the card may work.
seen() {
  rc=0
  smi --query-gpu=uuid,name,driver_version --format=csv,noheader || rc=$?
  case $rc in 0 | 14) grep '^GPU-' "$T/smi" || : ;; esac
}

# driver_works: each card answers. Leaves their lines in $T/seen.
driver_works() {
  seen >"$T/seen"
  [ -s "$T/seen" ] && [ "$(wc -l <"$T/seen")" -eq "$(cards | wc -l)" ]
}

driver_version() { sed -n '1s/.*, //p' "$T/seen"; }

# driver_trouble: why it does not work, by the texts of the layers below.
driver_trouble() {
  plain <"$T/smi" >&2
  ! held_by nouveau || refuse "DRV-6 driver" "nouveau holds the card" "reboot the host; nouveau is blocked from then on"
  ! grep -q "Driver/library version mismatch" "$T/smi" ||
    refuse "DRV-1 driver" "the loaded module is $(loaded), the libraries are newer or older" "drain and reboot the node"
  ! grep -q "No devices were found" "$T/smi" ||
    refuse "PCI-4 driver" "the driver sees no card" "compare card, branch and flavour; on the host: dmesg | grep -i nvrm"
  ! grep -qE "GPU is lost|fallen off the bus" "$T/smi" ||
    refuse "PCI-8 card" "a card stopped answering" "drain and reboot the host; if it comes back, the hardware is bad"
  refuse "DRV-3 driver" "the driver shows $(wc -l <"$T/seen") of $(cards | wc -l) cards" "on the host: dmesg | grep -i nvrm"
}

# --- containerd -------------------------------------------------------------------------------------------------------

# Distributions write v1.7.24, 1.7.24 or 1.6.20~ds1.
containerd_version() { containerd --version 2>/dev/null | awk '{sub(/^v/, "", $3); sub(/[^0-9.].*/, "", $3); print $3}'; }

# config_version FILE: what it declares; nothing where it declares none.
config_version() { sed -n '/^[[:space:]]*\[/q; s/^[[:space:]]*version[[:space:]]*=[[:space:]]*\([0-9]*\).*/\1/p' "$1" 2>/dev/null | head -n 1; }

# handlers < dump: the names of the runtimes of the CRI plugin.
handlers() { sed -n 's/^ *\[plugins\.[^]]*cri[^]]*\.runtimes\.\([A-Za-z0-9_-]*\)\]$/\1/p' | sort -u; }

# config_dump FILE: what containerd reads out of it; without a file its defaults, of which it gives no dump by itself.
config_dump() {
  file=$1
  [ -e "$file" ] || { file=$T/nothing && : >"$file"; }
  containerd -c "$file" config dump
}
