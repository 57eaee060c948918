# shellcheck shell=sh
# Step `toolkit`: its four packages at one version, held, and proven by what they see of the driver.

# shellcheck source=host/lib.sh
. "${0%/*}/lib.sh"
alone

NAMES="nvidia-container-toolkit nvidia-container-toolkit-base libnvidia-container-tools libnvidia-container1"

version_here() { nvidia-ctk --version 2>/dev/null | sed -n '1s/.* //p'; }

apply() {
  undertake
  if [ -n "${GR_DECIDED-}" ]; then install_toolkit; fi
  packages >"$T/installed"
  # shellcheck disable=SC2086
  versions=$(for name in $NAMES; do version_of "$name" <"$T/installed"; done | sort -u)
  case $versions in
  *"
"*) refuse "TK-3 packages" "its packages have different versions: $versions" "remove holds and older lists, then pulumi up" ;;
  esac
  version=$(version_here)
  [ -n "$version" ] || refuse "TK-3 packages" "nvidia-ctk does not say its version" "on the host: $AGAIN $NAMES"
  sees_driver
  [ -z "${GR_DECIDED-}" ] || carried_out
  has_note packages || echo "$version" | note adopted
  answer toolkit "$(quoted "$version")" adopted "$(yes_no has_note adopted)"
}

install_toolkit() {
  decide
  mend
  # They fit only each other.
  # shellcheck disable=SC2059,SC2086
  wanted=$(printf "%s=$GR_DECIDED-1\n" $NAMES)
  # shellcheck disable=SC2086
  if [ -n "$(missing $wanted)" ]; then
    repository
    update_lists
    install $wanted
    drop adopted
  fi
  # shellcheck disable=SC2086
  hold $NAMES
}

# Without the command line of the older way there is nothing to ask; then the container on the host is the proof.
sees_driver() {
  command -v nvidia-container-cli >/dev/null || return 0
  run nvidia-container-cli info || {
    last_words
    ! grep -q "driver not loaded" "$T/said" || refuse "TK-4 driver" "the toolkit finds no loaded driver" "on the host: nvidia-smi"
    ! grep -q "libnvidia-ml.so.1" "$T/said" || refuse "TK-9 toolkit" "the driver has no compute libraries" "install those of the same version"
    refuse "TK-3 packages" "the toolkit does not work, see above" "on the host: nvidia-container-cli info"
  }
}

remove() {
  if has_note packages; then
    mend
    to_take_back
    take_back_packages
  fi
  look_again
  take_back_files
  drop adopted
  drop decided
  drop begun
}

"$VERB"
