# shellcheck shell=sh
# shellcheck disable=SC2154
# Packages, part of lib.sh: simulated first, exact versions, and what is new is noted before it comes. What a package
# manager does by itself, apt.sh and rpm.sh say, in the same words.

case "$(of_os ID) $(of_os ID_LIKE)" in
*fedora* | *rhel* | *amzn* | *suse*)
  # shellcheck source=host/rpm.sh
  . "${0%/*}/rpm.sh"
  ;;
*)
  # shellcheck source=host/apt.sh
  . "${0%/*}/apt.sh"
  ;;
esac

UNBUILT="Bad return status for module build"
OTHER_KEY="a proxy that changes files? a mirror: bareMetal.repositories, with its keySha256; NVIDIA's key is new: a newer gpu-ready"

# version_of NAME < packages
version_of() { awk -v name="$1" '$1 == name {print $2}'; }

# failed WHAT: why a command of the package manager failed, in the words of the catalogue.
failed() {
  ! grep -qE "$LOCKED" "$T/said" || not_yet "TK-12 $(grep -E -m 1 "$LOCKED" "$T/said")"
  last_words
  built
  ! grep -qE "$FULL" "$T/said" ||
    refuse "HST-32 packages" "there is not enough room on the disk" "make room: $COMMAND clean${CACHE:+ $CACHE}"
  reached "$T/said"
  known_trouble
  refuse "HST-80 packages" "$COMMAND $1 failed" "read its last lines above; on the host: $CHECK"
}

built() {
  ! grep -q "$UNBUILT" "$T/said" ||
    refuse "DRV-8 driver" "the module was not built for this kernel" "take a newer driver branch or an older kernel"
}

# unbuilt: the log of a build that did not end well says why; of one that did there is none.
unbuilt() {
  for log in "$ROOT"/var/lib/dkms/nvidia/*/build/make.log; do
    [ -s "$log" ] || continue
    tail -n 6 "$log" | plain >&2
    refuse "DRV-8 driver" "DKMS did not build the module for this kernel: ${log#"$ROOT"}" "take a newer driver branch or an older kernel"
  done
}

# reached FILE: what was said there is not that a server was out of reach, or is not the one we trust.
reached() {
  ! grep -sqE "$UNREACHED" "$1" ||
    refuse "HST-33 packages" "a package repository is out of reach: $(grep -E -m 1 "$UNREACHED" "$1" | cut -c1-200)" \
      "on the host: $LOOK; look at DNS, firewall, and the proxy in $PROXY"
  ! grep -sqE "$UNSIGNED" "$1" ||
    refuse "TK-1 packages" "a repository is not signed with its pinned key: $(grep -E -m 1 "$UNSIGNED" "$1" | cut -c1-250)" "$OTHER_KEY"
}

# repository: the list and the key that GR_REPO and GR_KEY name, unless the host lists that repository already.
repository() {
  [ -n "${GR_REPO-}" ] || return 0
  address=${GR_REPO%% *}
  address=${address%/}
  others=$(listed "${address%/*}")
  if [ -n "$others" ]; then
    say "used as it is listed in ${others#"$ROOT"}: $address"
    return
  fi
  file=$T/fetched.deb
  fetch "$GR_KEY_URL" "$file" || {
    last_words
    reached "$T/said"
    refuse "TK-1 packages" "no key with the pinned checksum came from $GR_KEY_URL" "$OTHER_KEY"
  }
  case $GR_KEY_URL in
  *.deb) keyring_package "$file" ;;
  *)
    dearmored "$file"
    { [ -n "${GR_KEY_SHA256-}" ] && [ -z "${GR_KEY_FINGERPRINT-}" ]; } || [ "$(fingerprints)" = "${GR_KEY_FINGERPRINT:?}" ] ||
      refuse "TK-1 packages" "the key from $GR_KEY_URL is not $GR_KEY_FINGERPRINT" "$OTHER_KEY"
    place "$KEY" <"$T/packets"
    listing | place "$LIST"
    ;;
  esac
}

# dearmored FILE: its bytes, in $T/packets. This, and not the file, is what is checked and what is trusted: everybody reads
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
      grep -E '^(E|W|Error):' "$T/updated" 2>/dev/null | plain >&2 || :
      reached "$T/updated"
      refuse "HST-78 packages" "$MANAGER does not offer $(echo "$item" | sed 's/=/ /; s/\.\*$//; s/\[.*//')" "leave version out; $VERSIONS ${item%%=*} lists what there is"
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
  simulate install $exact
  foreign=$(strangers)
  [ -z "$foreign" ] || refuse "HST-71 packages" "to install$exact $MANAGER would remove $foreign" "remove by hand what stands in the way; an old driver goes when driver.branch is written"
  # A kernel that comes along stays: the host may run it by the time all this is taken away.
  grep -vE "^($KERNELS)" "$T/coming" >"$T/new" || :
  for item in $exact; do echo "${item%%=*}"; done >"$T/asked"
  noted auto | grep -vxFf "$T/asked" >"$T/note" || :
  ! has_note auto || put "$RECORD/$STEP.auto" <"$T/note"
  grep -vxFf "$T/asked" "$T/new" | note along
  note packages <"$T/new"
  say "installing$exact"
  # shellcheck disable=SC2086
  carry_out install $exact || failed "install$exact"
  note_auto
  left_out=$(missing "$@" | paste -sd' ' -)
  [ -z "$left_out" ] || refuse "HST-80 packages" "$COMMAND ended well, but $left_out is not installed" "read $LOGS"
}

# strangers: what would be removed, and is neither ours nor what a wish is about to replace.
strangers() {
  { noted packages; [ "$VERB" = remove ] || noted replaced | cut -d' ' -f1; } >"$T/mine"
  grep -vxFf "$T/mine" "$T/leaving" | paste -sd' ' -
}

# note_auto: of what was to come along, what is marked as such; also where an earlier run was cut off before that.
note_auto() {
  has_note along || return 0
  marked_auto >"$T/auto"
  noted along | grep -xFf "$T/auto" | note auto
  drop along
}

# hold PACKAGE ...: those that nobody held before are noted as ours.
hold() {
  can_hold
  held >"$T/held"
  for package; do grep -qxF "$package" "$T/held" || echo "$package"; done >"$T/unheld"
  [ -s "$T/unheld" ] || return 0
  note holds <"$T/unheld"
  # shellcheck disable=SC2046
  lock $(cat "$T/unheld")
}

# free: our own holds are lifted, as far as they still stand.
free() {
  held >"$T/held"
  noted holds | grep -xFf "$T/held" >"$T/free" || return 0
  # shellcheck disable=SC2046
  unlock $(cat "$T/free")
}

# take_away < names: those that are installed and ours, with nothing else going along.
take_away() {
  packages any | cut -d' ' -f1 >"$T/installed"
  grep -xFf "$T/installed" >"$T/going" || return 0
  free
  # shellcheck disable=SC2046
  simulate remove $(cat "$T/going")
  foreign=$(strangers)
  [ -z "$foreign" ] || refuse "HST-71 packages" "$MANAGER would remove $foreign as well, which is not ours" \
    "remove it by hand first, or keep all: state: abandoned"
  # shellcheck disable=SC2046
  carry_out remove $(cat "$T/going") || failed remove
}

# to_take_back: leaves in $T/ours what is installed and ours, without what somebody else has use for by now; that is
# named and stays. Of what we asked for by name nobody can see who wants it as well; what came along and is no longer
# marked as such, somebody asked for.
to_take_back() {
  packages any | cut -d' ' -f1 >"$T/installed"
  marked_auto >"$T/auto"
  noted auto | grep -xFf "$T/installed" | grep -vxFf "$T/auto" >"$T/wanted" || :
  while read -r name; do say "left in place, because somebody else asked $MANAGER for it: $name"; done <"$T/wanted"
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

# others_with NAME ...: what would go along that is not in $T/ours.
others_with() {
  simulate remove "$@"
  grep -vxFf "$T/ours" "$T/leaving" | paste -sd' ' -
}

take_back_packages() {
  free
  take_away <"$T/ours"
  forget
  drop holds
  drop auto
  drop along
  drop packages
}
