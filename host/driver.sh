# shellcheck shell=sh
# Step `driver`: packages at one version, held; what else holds the card blocked; the module loaded and each card seen.
# Where only a reboot helps, it says so and leaves that to the next step.

# shellcheck source=host/lib.sh
. "${0%/*}/lib.sh"
alone

BLOCK=/etc/modprobe.d/gpu-ready-nouveau.conf
AT_BOOT=/etc/modules-load.d/gpu-ready.conf
DKMS=/var/lib/dkms
MODULES="nvidia_peermem nvidia_uvm nvidia_drm nvidia_modeset nvidia"
kernel=$(uname -r)
# Where another repository has packages of the same names: what stands in the versions of the wished one alone.
from=${GR_BUILD:+"$GR_BUILD*"}
: "${GR_PIN_PACKAGE=}" "${GR_KERNEL_PACKAGES=}"

apply() {
  spoken_for
  undertake
  case $GR_DECIDED in keep) adopt ;; "run "*) install_run ;; *) install_driver ;; esac
}

done_with() {
  [ "$GR_DECIDED" = keep ] || carried_out
  answer driver "$(quoted "$1")" adopted "$2" reboot "$3" boot_id "$(quoted "$(boot_id)")"
}

is_of_us() { has_note packages || has_note run; }

# What works is never touched, and never taken away.
adopt() {
  driver_works || driver_trouble
  if is_of_us; then
    done_with "$(driver_version)" false false
  else
    carried_out
    done_with "$(driver_version)" true false
  fi
}

# of_branch NAME: the kernel's own packages have the kernel's versions, all others the driver's.
of_branch() {
  case $1 in
  linux-modules-*)
    modules=$(for_kernel | sed -n 's/.*=//p' | head -n 1)
    if [ -n "$modules" ] && [ -n "$(offered "$1=$modules")" ]; then echo "$1=$modules"; else echo "$1"; fi
    ;;
  linux-* | kernel* | dkms | gcc | make | nvidia-gds | cuda-toolkit-*) echo "$1" ;;
  nvidia-fabricmanager) manager_of "$(driver_to_be)" ;;
  *) case $GR_WANT_DRIVER in *.*) echo "$1=${GR_WANT_DRIVER}[-+~]*$from" ;; *) echo "$1=$GR_WANT_DRIVER.*$from" ;; esac ;;
  esac
}

install_driver() {
  decide
  mend
  [ -z "${GR_REPLACE-}" ] || theirs | note replaced
  all_offered
  built_of_it
  block_others
  # The pin decides which branch all others come from, headers are what DKMS builds with: both before the rest.
  outdated | grep '^nvidia-driver-pinning-' >"$T/old" || :
  take_away <"$T/old"
  if [ "$GR_KERNEL_PACKAGES" != "${GR_KERNEL_PACKAGES#linux-modules-}" ]; then
    # Modules that are ready want the libraries that they were built with: at once, or not at all.
    # shellcheck disable=SC2046
    install $(offered_for_kernel) $(cat "$T/wanted")
  else
    [ -z "$GR_PIN_PACKAGE" ] || install "$GR_PIN_PACKAGE"
    # shellcheck disable=SC2046
    install $(offered_for_kernel)
    # shellcheck disable=SC2046
    install $(cat "$T/wanted")
  fi
  outdated >"$T/old"
  take_away <"$T/old"
  # shellcheck disable=SC2046
  hold $({ to_hold; companions; } | sort -u)
  rebuild_initramfs
  enable_fabric
  settle
}

# All or nothing: what is not offered is found out before anything is changed.
all_offered() {
  for name in $GR_PACKAGES; do of_branch "$name"; done >"$T/wanted"
  # shellcheck disable=SC2046,SC2086
  if [ -n "$(missing $(cat "$T/wanted") $(for_kernel) $GR_PIN_PACKAGE)" ]; then
    note_daemon
    note_key
    repository
    update_lists
    more_repositories
    for name in $GR_PACKAGES; do of_branch "$name"; done >"$T/wanted"
  fi
  manager_offered
  # shellcheck disable=SC2046,SC2086
  resolved $(cat "$T/wanted") $GR_PIN_PACKAGE >/dev/null
}

# DKMS makes itself a key pair at its first build, which no package owns.
note_key() {
  [ -e "$ROOT$DKMS/mok.pub" ] || echo begun | note key
  make_folder $DKMS
}

# Of another branch or flavour than the wished one, ours or replaced: what is left could be loaded in place of the new.
outdated() {
  unwished
  { noted packages; noted replaced | cut -d' ' -f1; } | sed -n 's/^\(.*nvidia[a-z-]*-\([4-9][0-9][0-9]\)\([-.].*\)\{0,1\}\)$/\2 \1/p' |
    awk -v branch="${GR_WANT_DRIVER%%.*}" -v pin="$GR_PIN_PACKAGE" -v flavour="${GR_DECIDED##* }" '
      $1 != branch || ($2 ~ /^nvidia-driver-pinning-/ && $2 != pin) ||
        ($2 ~ /^(linux-|nvidia-(headless|dkms|kernel-source))/ && ($2 ~ /-open(-|$)/) != (flavour == "open")) {print $2}'
}

# The next kernel needs them as well, or its boot is one without a driver.
for_kernel() {
  for name in $GR_KERNEL_PACKAGES; do
    printf '%s\n' "$name$kernel" "$name$(next_kernel)" | grep -v -e '-$' | sort -u
  done | while read -r name; do exactly "$name"; done
}

# exactly NAME: of an exact driver those modules that were built of it; the version of that driver where none were. Their
# own version is the kernel's; which libraries they want, says of which driver they are.
exactly() {
  : >"$T/built"
  case $GR_WANT_DRIVER in *.*) apt-cache show "$1" 2>/dev/null >"$T/built" || : ;; esac
  awk -v name="$1" -v driver="$GR_WANT_DRIVER" '
    /^Version: / {version = $2}
    /^Depends: / && match($0, /nvidia-kernel-common-[^ ]* \(>= [^-+~)]*/) {
      seen = 1
      it = substr($0, RSTART, RLENGTH); sub(/.*>= /, "", it)
      if (it == driver && !found) found = version
    }
    END { print name (seen ? "=" (found ? found : driver) : "") }' "$T/built"
}

built_of_it() {
  for name in $(for_kernel); do
    [ "${name#*=}" != "$GR_WANT_DRIVER" ] ||
      refuse "HST-78 packages" "apt has ${name%%=*}, but not of driver $GR_WANT_DRIVER: prebuilt modules follow the newest of a branch" \
        "leave version out; or install that driver by hand: driver: {source: keep}"
  done
}

# The archive may have left the running kernel behind; then the next one gets the module, and it takes a reboot.
offered_for_kernel() {
  for name in $(for_kernel); do
    if [ -n "$(offered "$name")" ]; then echo "$name"; else say "not offered for the running kernel: $name"; fi
  done
}

# Modules that come ready for one kernel are held with the kernel that they are for: a held driver under a kernel that
# moves on is a host without a driver after some later reboot. What DKMS builds follows the kernel by itself.
to_hold() {
  packages >"$T/installed"
  while IFS='=' read -r name _; do
    case $name in
    linux-modules-nvidia-*)
      echo "$name"
      kind=$(echo "$name" | sed 's/^linux-modules-nvidia-[0-9]*//; s/^-server//; s/^-open//; s/^-//')
      for meta in "linux-$kind" "linux-image-$kind" "linux-headers-$kind"; do
        [ -z "$(version_of "$meta" <"$T/installed")" ] || echo "$meta"
      done
      ;;
    linux-*) ;;
    *) echo "$name" ;;
    esac
  done <"$T/wanted"
}

block_others() {
  [ -d "$ROOT/sys/module/nouveau" ] || [ -d "$ROOT/sys/module/nova_core" ] || known "$BLOCK" || return 0
  ours "$BLOCK" || drop initramfs
  printf '%s\n' "# Written by gpu-ready: the nvidia driver needs the card for itself." "blacklist nouveau" \
    "blacklist nova_core" "blacklist nova_drm" "options nouveau modeset=0" | place "$BLOCK"
  has_note initramfs || echo begun | note initramfs
}

rebuild_initramfs() {
  if has_note initramfs && ! noted initramfs | grep -qx rebuilt; then
    initramfs
    echo rebuilt | note initramfs
  fi
}

# shellcheck source=host/driver_load.sh
. "${0%/*}/driver_load.sh"
# shellcheck source=host/driver_extras.sh
. "${0%/*}/driver_extras.sh"
# shellcheck source=host/driver_run.sh
. "${0%/*}/driver_run.sh"

# What went for ours does not come back by itself: it may not be offered any more, and only people know whether they want it.
gone() {
  packages | cut -d' ' -f1 >"$T/installed"
  noted replaced | while read -r name version; do grep -qxF "$name" "$T/installed" || printf ' %s=%s' "$name" "$version"; done >"$T/gone"
  [ ! -s "$T/gone" ] || say "the driver that was here before does not come back by itself: $COMMAND install$(cat "$T/gone")"
  drop replaced
}

unless_gone() { [ -z "$(on_disk)" ] || load_again; }

remove() {
  if is_of_us; then
    smi --query-compute-apps=pid,name --format=csv,noheader && grep -E '^[0-9]' "$T/smi" >"$T/busy" || :
    [ ! -s "$T/busy" ] || refuse "HST-81 driver" "the card is in use: $(paste -sd' ' "$T/busy")" "stop that first, or keep all: state: abandoned"
    mend
    to_take_back
    # Wherever this ends: what stays installed stays loaded.
    trap 'unless_gone; rm -rf "$T"' EXIT
    unload
    [ -z "$(loaded)" ] || say "the module is in use and stays loaded until the next reboot"
    take_back_run
    take_back_packages
    unless_gone
  fi
  drop daemon
  disable_fabric
  gone
  # The key pair of DKMS goes with the last thing that it has built.
  set -- "$ROOT$DKMS"/*/
  ! has_note key || [ -e "$1" ] || rm -f "$ROOT$DKMS"/mok.*
  drop key
  take_back_files
  if has_note initramfs; then
    initramfs
    say "nouveau is no longer blocked, from the next reboot on"
  fi
  drop initramfs
  drop decided
  drop begun
}

"$VERB"
