# shellcheck shell=sh
# shellcheck disable=SC2154
# Packages by apt, part of lib.sh: simulated first, exact versions, and what is new is noted before it comes.

# packages [STATES [NAMES]]: "NAME VERSION" of each that is wholly there, or in one of these states of dpkg.
# shellcheck disable=SC2016,SC2086
packages() { dpkg-query -W -f '${db:Status-Abbrev}|${Package}|${Version}\n' ${2-} 2>/dev/null | sed -n "s/^.${1:-i} *|\(.*\)|/\1 /p"; }

# version_of NAME < packages
version_of() { awk -v name="$1" '$1 == name {print $2}'; }

apt_get() {
  run apt-get -y -q -o DPkg::Lock::Timeout="$PATIENCE" -o Dpkg::Options::=--force-confdef \
    -o Dpkg::Options::=--force-confold --no-install-recommends --allow-downgrades "$@"
}

UNREACHED="Could not resolve|Temporary failure resolving|[Cc]ould not connect|Unable to connect|[Cc]onnection timed out|Network is unreachable|Connection refused"
UNSIGNED="NO_PUBKEY|is not signed|EXPKEYSIG"
OTHER_KEY="a proxy that changes files? a mirror: bareMetal.repositories, with its keySha256; NVIDIA's key is new: a newer gpu-ready"
LOCKED="Could not get lock|was locked by another process"

# Says why a command of apt failed, in the words of the catalogue.
apt_failed() {
  ! grep -qE "$LOCKED" "$T/said" || not_yet "TK-12 $(grep -E -m 1 "$LOCKED" "$T/said")"
  last_words
  ! grep -q "Bad return status for module build" "$T/said" ||
    refuse "DRV-8 driver" "the module was not built for this kernel" "take a newer driver branch or an older kernel"
  ! grep -qE "No space left on device|enough free space" "$T/said" ||
    refuse "HST-32 packages" "there is not enough room on the disk" "make room: apt-get clean"
  reached "$T/said"
  refuse "HST-80 packages" "apt-get $1 failed" "read its last lines above; on the host: apt-get -f install"
}

# reached FILE: what apt said there is not that a server was out of reach, or is not the one we trust.
reached() {
  ! grep -sqE "$UNREACHED" "$1" ||
    refuse "HST-33 packages" "a package repository is out of reach: $(grep -E -m 1 "$UNREACHED" "$1" | cut -c1-200)" \
      "on the host: apt-get update; look at DNS, firewall, and the proxy in /etc/apt/apt.conf.d"
  ! grep -sqE "$UNSIGNED" "$1" ||
    refuse "TK-1 packages" "a repository is not signed with its pinned key: $(grep -E -m 1 "$UNSIGNED" "$1" | cut -c1-250)" "$OTHER_KEY"
}

mend_dpkg() {
  [ -n "$(dpkg --audit 2>/dev/null)" ] || return 0
  has_note packages || refuse "HST-31 packages" "dpkg was interrupted" "on the host: dpkg --configure -a"
  say "dpkg was interrupted"
  # What cannot be configured, such as a module that does not build, can still be taken away.
  run dpkg --force-confold --configure -a || [ "$VERB" = remove ] || apt_failed configure
  # What was cut off while it was unpacked, dpkg neither configures nor removes.
  half=$(packages .R "$(noted packages)" | cut -d' ' -f1)
  [ -n "$half" ] || return 0
  # shellcheck disable=SC2046,SC2086
  if [ "$VERB" = remove ]; then
    run dpkg --force-remove-reinstreq --force-depends --purge $half || :
  else
    apt_get install --reinstall $half || :
    # Who names a package to apt takes it for his own.
    run apt-mark auto $({ noted auto; noted along; } | grep -xF "$half") || :
  fi
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
  list=/etc/apt/sources.list.d/gpu-ready-$STEP.list
  key=/usr/share/keyrings/gpu-ready-$STEP.gpg
  others=$(grep -rlF "${address%/*}" "$ROOT/etc/apt/sources.list" "$ROOT/etc/apt/sources.list.d" 2>/dev/null |
    grep -vxF -e "$ROOT$list" -e "$ROOT$list.gpu-ready" || :)
  if [ -n "$others" ]; then
    say "used as it is listed in ${others#"$ROOT"}: $address"
    return
  fi
  # Part of apt, knows its proxies, and takes nothing but what has the pinned checksum, where one is pinned.
  file=$T/fetched.deb
  run "$ROOT/usr/lib/apt/apt-helper" download-file "$GR_KEY_URL" "$file" ${GR_KEY_SHA256:+"SHA256:$GR_KEY_SHA256"} || {
    last_words
    reached "$T/said"
    refuse "TK-1 packages" "no key with the pinned checksum came from $GR_KEY_URL" "$OTHER_KEY"
  }
  if [ "${GR_KEY_URL%.deb}" != "$GR_KEY_URL" ]; then
    # A package, which brings its list along.
    : "${GR_KEY_SHA256:?}"
    echo "${GR_KEY_URL##*/}" | sed 's/_.*//' | note packages
    # One that was cut off while it was unpacked is installed already, as apt sees it.
    apt_get install --reinstall "$file" || apt_failed "install ${GR_KEY_URL##*/}"
  else
    dearmored "$file"
    { [ -n "${GR_KEY_SHA256-}" ] && [ -z "${GR_KEY_FINGERPRINT-}" ]; } || [ "$(fingerprints)" = "${GR_KEY_FINGERPRINT:?}" ] ||
      refuse "TK-1 packages" "the key from $GR_KEY_URL is not $GR_KEY_FINGERPRINT" "$OTHER_KEY"
    place "$key" <"$T/packets"
    echo "deb [signed-by=$key] $GR_REPO" | place "$list"
  fi
}

# dearmored FILE: its bytes, in $T/packets. This, and not the file, is what is checked and what apt gets: everybody reads
# armor otherwise.
dearmored() {
  if grep -q '^-----BEGIN PGP PUBLIC KEY BLOCK-----' "$1"; then
    sed -n '/^-----BEGIN PGP PUBLIC KEY BLOCK/,/^-----END/s/^[A-Za-z0-9+/]*=\{0,2\}$/&/p' "$1" | base64 -d >"$T/packets" 2>/dev/null || :
  else
    cat "$1" >"$T/packets"
  fi
}

# fingerprints: of each key in $T/packets, one in a line. What is neither a key of version 4 nor belongs to one is "other",
# which fits no pin: apt would trust every key in the file. Most servers have no gpg that could tell.
fingerprints() {
  od -An -v -tu1 "$T/packets" | awk '
    { for (i = 1; i <= NF; i++) byte[total++] = $i }
    function number(at, bytes) { value = 0; while (bytes--) value = value * 256 + byte[at++]; return value }
    END {
      for (at = 0; at < total; at += head + size) {
        if (byte[at] >= 192) {
          kind = byte[at] - 192; first = byte[at + 1]; head = 2; size = first
          if (first >= 192) { head = 3; size = (first - 192) * 256 + byte[at + 2] + 192 }
          if (first == 255) { head = 6; size = number(at + 2, 4) }
          if (first >= 224 && first < 255) break
        } else {
          if (byte[at] < 128 || byte[at] % 4 == 3) break
          kind = int((byte[at] - 128) / 4); head = 1 + 2 ^ (byte[at] % 4); size = number(at + 1, head - 1)
        }
        if (kind == 6 && byte[at + head] == 4) print at + head + 1 " " size
        else if (kind != 2 && kind != 13 && kind != 14 && kind != 17) print "other"
      }
      if (at != total || total == 0) print "other"
    }' | while read -r at size; do
    [ "$at" != other ] || { echo other; continue; }
    # What is hashed begins with the length of the key, in two bytes.
    # shellcheck disable=SC2059
    { printf "\\231\\$(printf %o $((size / 256)))\\$(printf %o $((size % 256)))"; tail -c "+$at" "$T/packets" | head -c "$size"; } |
      sha1sum | cut -c1-40 | tr a-f A-F
  done
}

# offered NAME[=PATTERN]: the version that would be taken, the one that apt prefers before all others.
offered() {
  pattern='?*'
  case $1 in *=*) pattern=${1#*=} ;; esac
  found=$(apt-cache policy "${1%%=*}" 2>/dev/null | sed -n 's/^  Candidate: //p' | grep -vxF '(none)' | fits "$pattern")
  [ -n "$found" ] || found=$(apt-cache madison "${1%%=*}" 2>/dev/null | awk -F'|' '{gsub(/ /, "", $2); print $2}' | fits "$pattern")
  [ -z "$found" ] || echo "$found"
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
      reached "$T/updated"
      refuse "HST-78 packages" "apt does not offer $(echo "$item" | sed 's/=/ /; s/\.\*$//; s/\[.*//')" "leave version out; apt-cache madison ${item%%=*} lists what there is"
    fi
    printf ' %s=%s' "${item%%=*}" "$version"
  done
}

# install ITEM ...: simulated first; what is new is noted before it comes.
install() {
  exact=$(resolved "$@")
  note_auto
  [ -n "$exact" ] || return 0
  free
  # shellcheck disable=SC2086
  apt_get -s install $exact || apt_failed "-s install$exact"
  foreign=$(strangers)
  [ -z "$foreign" ] || refuse "HST-71 packages" "to install$exact apt would remove $foreign" "remove by hand what stands in the way; an old driver goes when driver.branch is written"
  # A kernel that comes along stays: the host may run it by the time all this is taken away.
  awk '/^Inst / && $3 ~ /^\(/ && $2 !~ /^linux-(image|base|modules-([0-9]|extra))/ {print $2}' "$T/said" >"$T/new"
  for item in $exact; do echo "${item%%=*}"; done >"$T/asked"
  noted auto | grep -vxFf "$T/asked" >"$T/note" || :
  ! has_note auto || put "$RECORD/$STEP.auto" <"$T/note"
  grep -vxFf "$T/asked" "$T/new" | note along
  note packages <"$T/new"
  say "installing$exact"
  # shellcheck disable=SC2086
  apt_get install $exact || apt_failed "install$exact"
  note_auto
  left_out=$(missing "$@" | paste -sd' ' -)
  [ -z "$left_out" ] || refuse "HST-80 packages" "apt-get ended well, but $left_out is not installed" "read /var/log/apt/term.log"
}

# strangers: what apt has just said that it would remove, and is neither ours nor what a wish is about to replace.
strangers() {
  { noted packages; [ "$VERB" = remove ] || noted replaced | cut -d' ' -f1; } >"$T/mine"
  awk '/^(Remv|Purg) /{print $2}' "$T/said" | grep -vxFf "$T/mine" | paste -sd' ' -
}

# note_auto: of what was to come along, what apt has marked as such; also where an earlier run was cut off before that.
note_auto() {
  has_note along || return 0
  apt-mark showauto >"$T/auto"
  noted along | grep -xFf "$T/auto" | note auto
  drop along
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
  packages '[iUFHWt]R*' | cut -d' ' -f1 >"$T/installed"
  grep -xFf "$T/installed" >"$T/going" || return 0
  free
  # shellcheck disable=SC2046
  apt_get -s remove --purge $(cat "$T/going") || apt_failed "-s remove"
  foreign=$(strangers)
  [ -z "$foreign" ] || refuse "HST-71 packages" "apt would remove $foreign as well, which is not ours" \
    "remove it by hand first, or keep all: state: abandoned"
  # shellcheck disable=SC2046
  apt_get remove --purge $(cat "$T/going") || apt_failed remove
}

# to_take_back: leaves in $T/ours what is installed and ours, without what somebody else has use for by now; that is
# named and stays. Of what we asked for by name nobody can see who wants it as well; what came along and is no longer
# marked as such, somebody asked for.
to_take_back() {
  packages '[iUFHWt]R*' | cut -d' ' -f1 >"$T/installed"
  apt-mark showauto >"$T/auto"
  noted auto | grep -xFf "$T/installed" | grep -vxFf "$T/auto" >"$T/wanted" || :
  while read -r name; do say "left in place, because somebody else asked apt for it: $name"; done <"$T/wanted"
  noted packages | grep -xFf "$T/installed" | grep -vxFf "$T/wanted" >"$T/ours" || :
  [ -s "$T/ours" ] || return 0
  # Assigned first: a refusal in the middle of a condition would count as nobody.
  # shellcheck disable=SC2046
  others=$(others_with $(cat "$T/ours"))
  [ -n "$others" ] || return 0
  while read -r name; do
    others=$(others_with "$name")
    if [ -z "$others" ]; then echo "$name"; else say "left in place, because $others needs it: $name"; fi
  done <"$T/ours" >"$T/alone"
  mv "$T/alone" "$T/ours"
}

# others_with NAME ...: what apt would take along that is not in $T/ours.
others_with() {
  apt_get -s remove --purge --allow-change-held-packages "$@" || apt_failed "-s remove"
  awk '/^(Remv|Purg) /{print $2}' "$T/said" | grep -vxFf "$T/ours" | paste -sd' ' -
}

take_back_packages() {
  free
  take_away <"$T/ours"
  drop holds
  drop auto
  drop along
  drop packages
  if [ -n "${GR_REPO-}" ]; then run apt-get -q update || say "apt-get update had something to say: see apt"; fi
}
