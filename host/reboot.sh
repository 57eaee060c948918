# shellcheck shell=sh
# Step `reboot`: only where the driver said that nothing else helps, only with consent, and it returns before the host
# goes down: a connection that breaks is an error for the engine. The next step waits for the new boot id.

# shellcheck source=host/lib.sh
. "${0%/*}/lib.sh"
alone

going() {
  answer rebooting "$1" boot_id "$(quoted "${GR_BOOT_ID:-$(boot_id)}")" driver "$(quoted "${GR_DRIVER-}")"
}

apply() {
  if [ -z "${GR_REBOOT-}" ]; then
    going false
  elif [ "$(boot_id)" != "$GR_BOOT_ID" ]; then
    say "rebooted since the driver was installed"
    going true
  else
    [ "$GR_CONSENT" = ifNeeded ] ||
      refuse "HST-64 driver" "a reboot is needed, and reboot is never" "reboot: ifNeeded; or on the host: systemctl reboot; then pulumi up"
    safe_to_go_down
    # 0.1 s: else systemd may be a minute late.
    run systemd-run --collect --unit=gpu-ready-reboot --on-active=2 --timer-property=AccuracySec=100ms systemctl reboot ||
      systemctl is-active gpu-ready-reboot.timer >/dev/null 2>&1 || {
      last_words
      refuse "HST-58 reboot" "the reboot could not be scheduled" "on the host: systemctl list-jobs"
    }
    going true
  fi
}

safe_to_go_down() {
  next=$(next_kernel)
  has_module "${next:-$(uname -r)}" ||
    refuse "DRV-16 driver" "kernel $next boots next and has no nvidia module" "install its module or headers before anybody reboots"
  ! systemctl is-active apt-daily.service apt-daily-upgrade.service 2>/dev/null | grep -qE '^(active|activating)$' ||
    not_yet "TK-12 automatic updates are running; a reboot would cut them off"
}

"$VERB"
