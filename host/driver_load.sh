# shellcheck shell=sh
# shellcheck disable=SC2154
# The module of the driver and the daemon that keeps cards awake, part of driver.sh: loaded, taken out, or left to a reboot.

# Loads the module, or finds out why only a reboot does.
settle() {
  printf 'nvidia\nnvidia-uvm\n' | place "$AT_BOOT"
  if works_as_wished; then
    start_daemon
    manages_fabric
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
  stop_fabric
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
  start_fabric
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
  manages_fabric
  done_with "$(driver_version)" false false
}
