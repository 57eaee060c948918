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
: "${GR_PIN_PACKAGE=}" "${GR_KERNEL_PACKAGES=}"

apply() {
  spoken_for
  undertake
  case $GR_DECIDED in keep) adopt ;; *) install_driver ;; esac
}

done_with() {
  [ "$GR_DECIDED" = keep ] || carried_out
  answer driver "$(quoted "$1")" adopted "$2" reboot "$3" boot_id "$(quoted "$(boot_id)")"
}

# What works is never touched, and never taken away.
adopt() {
  driver_works || driver_trouble
  if has_note packages; then
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
  linux-* | kernel*) echo "$1" ;;
  *) case $GR_WANT_DRIVER in *.*) echo "$1=${GR_WANT_DRIVER}[-+~]*" ;; *) echo "$1=$GR_WANT_DRIVER.*" ;; esac ;;
  esac
}

install_driver() {
  decide
  mend
  for name in $GR_PACKAGES; do of_branch "$name"; done >"$T/wanted"
  [ -z "${GR_REPLACE-}" ] || theirs | note replaced
  # shellcheck disable=SC2046,SC2086
  if [ -n "$(missing $(cat "$T/wanted") $(for_kernel) $GR_PIN_PACKAGE)" ]; then
    note_daemon
    # DKMS makes itself a key pair at its first build, which no package owns.
    [ -e "$ROOT$DKMS/mok.pub" ] || echo begun | note key
    make_folder $DKMS
    repository
    update_lists
    more_repositories
    for name in $GR_PACKAGES; do of_branch "$name"; done >"$T/wanted"
  fi
  # All or nothing: what is not offered is found out before anything is changed.
  # shellcheck disable=SC2046,SC2086
  resolved $(cat "$T/wanted") $GR_PIN_PACKAGE >/dev/null
  built_of_it
  block_others
  # The pin decides which branch all others come from, headers are what DKMS builds with: both before the rest.
  outdated | grep '^nvidia-driver-pinning-' >"$T/old" || :
  take_away <"$T/old"
  if [ "${GR_DECIDED%% *}" = cudaRepo ]; then
    [ -z "$GR_PIN_PACKAGE" ] || install "$GR_PIN_PACKAGE"
    # shellcheck disable=SC2046
    install $(offered_for_kernel)
    # shellcheck disable=SC2046
    install $(cat "$T/wanted")
  else
    # Modules that are ready want the libraries that they were built with: at once, or not at all.
    # shellcheck disable=SC2046
    install $(offered_for_kernel) $(cat "$T/wanted")
  fi
  outdated >"$T/old"
  take_away <"$T/old"
  # shellcheck disable=SC2046
  hold $({ to_hold; companions; } | sort -u)
  rebuild_initramfs
  settle
}

# Of another branch or flavour than the wished one, ours or replaced: what is left could be loaded in place of the new.
outdated() {
  { noted packages; noted replaced | cut -d' ' -f1; } | sed -n 's/^\(.*nvidia[a-z-]*-\([4-9][0-9][0-9]\)\([-.].*\)\{0,1\}\)$/\2 \1/p' |
    awk -v branch="${GR_WANT_DRIVER%%.*}" -v pin="$GR_PIN_PACKAGE" -v flavour="${GR_DECIDED##* }" '
      $1 != branch || ($2 ~ /^nvidia-driver-pinning-/ && $2 != pin) ||
        ($2 ~ /^(linux-|nvidia-(headless|dkms|kernel-source)).*-server/ && ($2 ~ /-server-open/) != (flavour == "open")) {print $2}'
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

# Loads the module, or finds out why only a reboot does.
settle() {
  printf 'nvidia\nnvidia-uvm\n' | place "$AT_BOOT"
  if works_as_wished; then
    start_daemon
    done_with "$(driver_version)" false false
  elif ! has_module "$kernel"; then
    next=$(next_kernel)
    { [ "$next" != "$kernel" ] && has_module "${next:-none}"; } ||
      {
        unbuilt
        refuse "DRV-4 driver" "there is no nvidia module for kernel $kernel" "update the kernel ($UPGRADE), reboot, and run pulumi up"
      }
    reboot_for "only the next kernel, $next, has an nvidia module"
  elif held_by 'nouveau|nova_core'; then
    reboot_for "nouveau or nova holds the card"
  else
    [ -z "$(loaded)" ] || current || unload
    if [ -n "$(loaded)" ] && ! current; then
      reboot_for "module $(loaded) is loaded and in use, $(on_disk) is installed"
    else
      load
    fi
  fi
}

works_as_wished() {
  [ -d "$ROOT/sys/module/nvidia_uvm" ] && driver_works && same_flavour || return 1
  case $(driver_version) in "$GR_WANT_DRIVER" | "$GR_WANT_DRIVER".*) ;; *) return 1 ;; esac
}

reboot_for() {
  drop daemon
  say "a reboot is needed: $1"
  done_with "" false true
}

# Never by force: that leaves a module which only a reboot removes. All or none: what uses one of them goes on working.
unload() {
  for module in $MODULES; do [ ! -d "$ROOT/sys/module/$module" ] || echo "$module"; done >"$T/modules"
  note_daemon
  run systemctl stop nvidia-persistenced || :
  while read -r module; do
    run modprobe -r "$module" || {
      cp "$T/said" "$T/why"
      load_again
      plain <"$T/why" >&2 || :
      return 0
    }
  done <"$T/modules"
}

# What was loaded, as far as it lies on the disk still.
load_again() {
  sort "$T/modules" 2>/dev/null | while read -r module; do run modprobe "$module" || :; done
  start_daemon
}

# The daemon that keeps cards awake runs in the end where it ran before, or where it came with our packages.
note_daemon() {
  case $(systemctl is-enabled nvidia-persistenced 2>/dev/null || :) in
  '' | not-found) echo enable | note daemon ;;
  *) systemctl is-active nvidia-persistenced >/dev/null 2>&1 || return 0 ;;
  esac
  echo start | note daemon
}

start_daemon() {
  ! noted daemon | grep -qx enable || run systemctl enable nvidia-persistenced || :
  ! has_note daemon || run systemctl start nvidia-persistenced || :
  drop daemon
}

load() {
  for module in nvidia nvidia_uvm; do
    run modprobe "$module" || {
      last_words
      ! grep -qE "Key was rejected|Required key not available" "$T/said" ||
        refuse "DRV-5 driver" "Secure Boot refuses the module" "use signed prebuilt modules, or turn Secure Boot off"
      refuse "DRV-3 driver" "modprobe $module failed" "on the host: dmesg | grep -i nvrm"
    }
  done
  start_daemon
  driver_works || driver_trouble
  done_with "$(driver_version)" false false
}

# What went for ours does not come back by itself: it may not be offered any more, and only people know whether they want it.
gone() {
  packages | cut -d' ' -f1 >"$T/installed"
  noted replaced | while read -r name version; do grep -qxF "$name" "$T/installed" || printf ' %s=%s' "$name" "$version"; done >"$T/gone"
  [ ! -s "$T/gone" ] || say "the driver that was here before does not come back by itself: $COMMAND install$(cat "$T/gone")"
  drop replaced
}

unless_gone() { [ -z "$(on_disk)" ] || load_again; }

remove() {
  if has_note packages; then
    smi --query-compute-apps=pid,name --format=csv,noheader && grep -E '^[0-9]' "$T/smi" >"$T/busy" || :
    [ ! -s "$T/busy" ] || refuse "HST-81 driver" "the card is in use: $(paste -sd' ' "$T/busy")" "stop that first, or keep all: state: abandoned"
    mend
    to_take_back
    # Wherever this ends: what stays installed stays loaded.
    trap 'unless_gone; rm -rf "$T"' EXIT
    unload
    [ -z "$(loaded)" ] || say "the module is in use and stays loaded until the next reboot"
    take_back_packages
    unless_gone
  fi
  drop daemon
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
