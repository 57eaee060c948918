# shellcheck shell=sh
# shellcheck disable=SC2034,SC2153,SC2154
# How apt does it, part of packages.sh.

MANAGER=apt
COMMAND=apt-get
CHECK="apt-get -f install"
CACHE=
LOOK="apt-get update"
PROXY=/etc/apt/apt.conf.d
VERSIONS="apt-cache madison"
UPGRADE="apt-get full-upgrade"
AGAIN="apt-get install --reinstall"
LOGS=/var/log/apt/term.log
UNREACHED="Could not resolve|Temporary failure resolving|[Cc]ould not connect|Unable to connect|[Cc]onnection timed out|Network is unreachable|Connection refused"
UNSIGNED="NO_PUBKEY|is not signed|EXPKEYSIG"
LOCKED="Could not get lock|was locked by another process"
FULL="No space left on device|enough free space"
KERNELS="linux-(image|base|modules-([0-9]|extra))"
LIST=/etc/apt/sources.list.d/gpu-ready-$STEP.list
KEY=/usr/share/keyrings/gpu-ready-$STEP.gpg
PREFERENCES=/etc/apt/preferences.d/gpu-ready-$STEP

# packages [any|STATES [NAMES]]: "NAME VERSION" of each that is wholly there, there at all, or in one of these states of dpkg.
# shellcheck disable=SC2016,SC2086
packages() {
  states=${1:-i}
  [ "$states" != any ] || states='[iUFHWt]R*'
  dpkg-query -W -f '${db:Status-Abbrev}|${Package}|${Version}\n' ${2-} 2>/dev/null | sed -n "s/^.$states *|\(.*\)|/\1 /p"
}

apt_get() {
  run apt-get -y -q -o DPkg::Lock::Timeout="$PATIENCE" -o Dpkg::Options::=--force-confdef \
    -o Dpkg::Options::=--force-confold --no-install-recommends --allow-downgrades "$@"
}

known_trouble() { :; }

broken() { [ -n "$(dpkg --audit 2>/dev/null)" ]; }

mend() {
  broken || return 0
  has_note packages || refuse "HST-31 packages" "dpkg was interrupted" "on the host: dpkg --configure -a"
  say "dpkg was interrupted"
  # What cannot be configured, such as a module that does not build, can still be taken away.
  run dpkg --force-confold --configure -a && configured=yes || configured=
  # What was cut off while it was unpacked, dpkg neither configures nor removes, and says so by its exit code.
  half=$(packages .R "$(noted packages)" | cut -d' ' -f1)
  [ -n "$configured$half" ] || [ "$VERB" = remove ] || failed configure
  [ -n "$half" ] || return 0
  # shellcheck disable=SC2046,SC2086
  if [ "$VERB" = remove ]; then
    run dpkg --force-remove-reinstreq --force-depends --purge $half || :
  else
    apt_get install --reinstall $half || [ -n "$configured" ] || failed configure
    # Who names a package to apt takes it for his own.
    run apt-mark auto $({ noted auto; noted along; } | grep -xF "$half") || :
  fi
}

# DPkg::Lock::Timeout does not cover the lock of the lists.
update_lists() {
  left=$PATIENCE
  until run apt-get -q update || ! grep -qE "$LOCKED" "$T/said"; do
    [ "$left" -gt 0 ] || failed update
    sleep 5
    left=$((left - 5))
  done
  # A foreign repository may be broken: whether ours answered is seen by what it offers.
  cp "$T/said" "$T/updated"
}

# listed ADDRESS: files of others that name it.
listed() {
  grep -rlF "$1" "$ROOT/etc/apt/sources.list" "$ROOT/etc/apt/sources.list.d" 2>/dev/null |
    grep -vxF -e "$ROOT$LIST" -e "$ROOT$LIST.gpu-ready" || :
}

# Part of apt, knows its proxies, and takes nothing but what has the pinned checksum, where one is pinned.
fetch() { run "$ROOT/usr/lib/apt/apt-helper" download-file "$1" "$2" ${GR_KEY_SHA256:+"SHA256:$GR_KEY_SHA256"}; }

# A package, which brings its list along.
keyring_package() {
  : "${GR_KEY_SHA256:?}"
  echo "${GR_KEY_URL##*/}" | sed 's/_.*//' | note packages
  # One that was cut off while it was unpacked is installed already, as apt sees it.
  apt_get install --reinstall "$1" || failed "install ${GR_KEY_URL##*/}"
}

listing() { echo "deb [signed-by=$KEY] $GR_REPO"; }

# more_repositories: what the driver's packages need besides. The PPA builds the same versions as the archive under lower
# numbers, so that all that they need would come from there.
more_repositories() {
  [ -z "${GR_BUILD-}" ] || printf 'Package: *nvidia*\nPin: version *%s*\nPin-Priority: 1001\n' "$GR_BUILD" | place "$PREFERENCES"
}

# offered NAME[=PATTERN]: the version that would be taken, the one that apt prefers before all others.
offered() {
  pattern='?*'
  case $1 in *=*) pattern=${1#*=} ;; esac
  found=$(apt-cache policy "${1%%=*}" 2>/dev/null | sed -n 's/^  Candidate: //p' | grep -vxF '(none)' | fits "$pattern")
  [ -n "$found" ] || found=$(apt-cache madison "${1%%=*}" 2>/dev/null | awk -F'|' '{gsub(/ /, "", $2); print $2}' | fits "$pattern")
  [ -z "$found" ] || echo "$found"
}

# simulate install|remove ITEM ...: what would come new is left in $T/coming, what would go in $T/leaving.
simulate() {
  verb=$1
  shift
  case $verb in
  remove) apt_get -s remove --purge --allow-change-held-packages "$@" || failed "-s remove" ;;
  *) apt_get -s "$verb" "$@" || failed "-s $verb $*" ;;
  esac
  awk '/^Inst / && $3 ~ /^\(/ {print $2}' "$T/said" >"$T/coming"
  awk '/^(Remv|Purg) /{print $2}' "$T/said" >"$T/leaving"
}

carry_out() {
  verb=$1
  shift
  case $verb in remove) apt_get remove --purge "$@" ;; *) apt_get "$verb" "$@" ;; esac
}

marked_auto() { apt-mark showauto; }

can_hold() { :; }

# companions: what came with the driver is bound to the version of what is held.
companions() { :; }

held() { apt-mark showhold; }

lock() { run apt-mark hold "$@" || failed hold; }

unlock() { run apt-mark unhold "$@" || failed unhold; }

# forget: what apt knows of a repository that is gone.
forget() { if [ -n "${GR_REPO-}" ]; then run apt-get -q update || say "apt-get update had something to say: see apt"; fi; }

initramfs() { run update-initramfs -u || failed update-initramfs; }

# What apt does not have for the running kernel, though it has the same for later ones: it was asked, and left this
# kernel behind. One call for all names: each takes a second.
lacking() {
  later=${kernel#*-*-}
  names=
  for what in headers $(for branch in ${GR_BRANCHES-}; do echo "modules-nvidia-$branch-server modules-nvidia-$branch-server-open"; done); do
    names="$names linux-$what-$kernel linux-$what-$later linux-$what-$later-hwe-$(of_os VERSION_ID)"
  done
  # shellcheck disable=SC2086
  {
    apt-cache policy $names | awk '/^[^ ]/ {sub(":", ""); name = $1} /^  (Installed|Candidate): [^(]/ {print name}'
    apt-cache madison $names | awk '{print $1}'
  } 2>/dev/null | plain >"$T/has"
  # shellcheck disable=SC2086
  printf '%s %s %s\n' $names | awk 'NR == FNR {has[$1]; next} !($1 in has) && ($2 in has || $3 in has) {print $1}' "$T/has" - | list_of
}
