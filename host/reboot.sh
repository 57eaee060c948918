# shellcheck shell=sh
# Step `reboot`: the driver at work; by a reboot where the step before said that nothing else helps, and with consent.
# It does not wait on the host: it says 75 and ends before the host goes down, and is asked again until it meets another
# boot. One answer of the driver step is good for one reboot, because it names the boot that is to be left.

# shellcheck source=host/lib.sh
. "${0%/*}/lib.sh"
alone

# In memory: it goes with the boot that it is about.
LEAVING=$ROOT/run/gpu-ready.reboot
UNIT=gpu-ready-reboot
# So many seconds after it was scheduled, a reboot of which there is no trace was called off.
GRACE=60

apply() {
  system=$(systemctl is-system-running 2>/dev/null || :)
  ! under_way || not_yet "boot $(boot_id) is going down"
  if [ -n "${GR_REBOOT-}" ] && [ "$(boot_id)" = "${GR_BOOT_ID-}" ] && ! at_work; then leave; fi
  case $system in
  initializing | starting)
    # A job of a boot may never end; who is in no need of this boot does not wait for it.
    { [ -z "${GR_REBOOT-}" ] && driver_works; } ||
      not_yet "boot $(boot_id) is starting: $(systemctl list-jobs --no-legend | awk '/ running/ {print $2}' | paste -sd' ' -)"
    ;;
  esac
  driver_works || mend
  [ "$(switches)" = 0 ] || fabric_joined || {
    plain <"$T/smi" >&2
    refuse "HST-23 driver" "NVSwitch joins the cards, and they are not in its fabric: CUDA would end with error 802" \
      "on the host: journalctl -u nvidia-fabricmanager; it has to be of driver $(loaded)"
  }
  rm -f "$LEAVING"
  answer boot_id "$(quoted "$(boot_id)")" driver "$(quoted "$(driver_version)")" cards "$(wc -l <"$T/seen")"
}

under_way() {
  [ "$system" = stopping ] ||
    systemctl is-active "$UNIT.timer" "$UNIT.service" 2>/dev/null | grep -qE '^(active|activating)$'
}

# Whatever was so when the driver step ran: a host whose driver works has nothing to reboot for.
at_work() { driver_works && current; }

leave() {
  [ "$GR_CONSENT" = ifNeeded ] ||
    refuse "HST-64 driver" "a reboot is needed, and reboot is never" "reboot: ifNeeded; or on the host: systemctl reboot; then pulumi up"
  [ ! -e "$LEAVING" ] || called_off
  safe_to_go_down
  # 0.1 s: else systemd may be a minute late.
  run systemd-run --collect --unit="$UNIT" --on-active=2 --timer-property=AccuracySec=100ms systemctl reboot || {
    last_words
    refuse "HST-58 reboot" "the reboot could not be scheduled" "on the host: systemctl list-jobs"
  }
  date +%s | put "$LEAVING"
  not_yet "the host reboots; it leaves boot $(boot_id)"
}

# Who called it off had a reason: only the next run tries again.
called_off() {
  age=$(($(date +%s) - $(cat "$LEAVING")))
  [ "${age#-}" -gt "$GRACE" ] || not_yet "a reboot was scheduled, and there is no trace of it; still boot $(boot_id)"
  rm -f "$LEAVING"
  refuse "HST-58 reboot" "the reboot was called off: $age s after it was scheduled it is still boot $(boot_id)" \
    "on the host: systemctl list-jobs; systemd-inhibit --list; pulumi up schedules it again"
}

safe_to_go_down() {
  next=$(next_kernel)
  has_module "${next:-$(uname -r)}" ||
    refuse "DRV-16 driver" "kernel $next boots next and has no nvidia module" "install its module or headers before anybody reboots"
  ! systemctl is-active apt-daily.service apt-daily-upgrade.service dnf-automatic.service dnf-automatic-install.service 2>/dev/null | grep -qE '^(active|activating)$' ||
    not_yet "TK-12 automatic updates are running; a reboot would cut them off"
}

# What should have been loaded at boot; harmless where it was.
mend() {
  held_by 'nouveau|nova_core' || { run modprobe nvidia && run modprobe nvidia_uvm; } || last_words
  driver_works || driver_trouble
}

"$VERB"
