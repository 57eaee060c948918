# shellcheck shell=sh
# Step `back`: the host after its reboot, if there was one: another boot id, the system up, the driver at work.

# shellcheck source=host/lib.sh
. "${0%/*}/lib.sh"
begin

apply() {
  [ "$(boot_id)" != "${GR_OLD_BOOT_ID-}" ] || not_yet "still the boot of before: $(boot_id)"
  case $(systemctl is-system-running 2>/dev/null || :) in
  initializing | starting) not_yet "boot $(boot_id) is starting" ;;
  stopping) not_yet "boot $(boot_id) is going down" ;;
  esac
  driver_works || mend
  answer boot_id "$(quoted "$(boot_id)")" driver "$(quoted "$(driver_version)")" cards "$(wc -l <"$T/seen")"
}

# What should have been loaded at boot; harmless where it was.
mend() {
  held_by 'nouveau|nova_core' || { run modprobe nvidia && run modprobe nvidia_uvm; } || last_words
  driver_works || driver_trouble
}

"$VERB"
