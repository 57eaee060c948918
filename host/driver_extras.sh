# shellcheck shell=sh
# shellcheck disable=SC2153,SC2154
# What comes with a driver beside it, part of driver.sh: fabric manager above all, which joins cards behind NVSwitch and
# works with a driver of exactly its own version alone.

FABRIC=nvidia-fabricmanager
EXTRAS="$FABRIC(-[0-9]*)?|nvidia-gds|cuda-toolkit-[0-9-]*"

# driver_to_be: the version that is installed, or will be.
driver_to_be() {
  case $GR_WANT_DRIVER in *.*) echo "$GR_WANT_DRIVER"; return ;; esac
  for name in $GR_PACKAGES; do
    case $name in
    nvidia-utils-* | nvidia-driver-cuda)
      version=$(packages | version_of "$name" | fits "$GR_WANT_DRIVER.*")
      echo "${version:-$(offered "$name=$GR_WANT_DRIVER.*")}" | sed 's/[-+~].*//'
      ;;
    esac
  done
}

# manager_of VERSION: some repositories put the branch behind its name.
manager_of() {
  for name in "$FABRIC-${GR_WANT_DRIVER%%.*}" $FABRIC; do
    found="$name=$1[-+~]*"
    if [ -z "$(missing "$found")" ] || [ -n "$(offered "$found")" ]; then break; fi
  done
  echo "$found"
}

manager_offered() {
  manager=$(grep "^$FABRIC" "$T/wanted" || :)
  [ -z "$manager" ] || [ -z "$(missing "$manager")" ] || [ -n "$(offered "$manager")" ] ||
    refuse "DRV-13 driver" "$MANAGER has no fabric manager of exactly $(driver_to_be), which the driver is" \
      "take a version that both have: $VERSIONS ${manager%%=*}; driver: {version: ...}"
}

# unwished: what came as an extra and is not asked for any more.
unwished() {
  noted packages | grep -xE "$EXTRAS" | while read -r name; do
    grep -qE "^$name(=|\$)" "$T/wanted" || echo "$name"
  done
}

wants_fabric() { case " $GR_PACKAGES " in *" $FABRIC "*) return 0 ;; *) return 1 ;; esac; }

# It is told to start before a reboot that the driver may need.
enable_fabric() {
  if wants_fabric && [ "$(systemctl is-enabled $FABRIC 2>/dev/null || :)" != enabled ]; then
    echo enable | note fabric
    run systemctl enable $FABRIC || :
  fi
}

# The module is in use while it runs.
stop_fabric() { if active $FABRIC; then run systemctl stop $FABRIC || :; echo start >"$T/fabric"; fi; }

start_fabric() { [ ! -e "$T/fabric" ] || run systemctl start $FABRIC || :; }

# Whether the cards are in its fabric then, the next step looks at.
manages_fabric() {
  wants_fabric || return 0
  [ "$(fabric_manager)" = "$(loaded)" ] ||
    refuse "DRV-13 driver" "fabric manager is $(fabric_manager), and the driver is $(loaded)" "both have to be of one version: pulumi up"
  active $FABRIC || run systemctl start $FABRIC || :
  active $FABRIC || {
    last_words
    refuse "HST-23 driver" "fabric manager does not start, and without it CUDA ends with error 802" "on the host: journalctl -u $FABRIC"
  }
}

disable_fabric() {
  ! has_note fabric || run systemctl disable $FABRIC || :
  drop fabric
}
