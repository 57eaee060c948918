# shellcheck shell=sh
# shellcheck disable=SC2154
# Kernel, card and driver as they are seen, part of lib.sh.

boot_id() { cat "$ROOT/proc/sys/kernel/random/boot_id"; }

# cards: address of each NVIDIA display controller.
cards() {
  for card in "$ROOT"/sys/bus/pci/devices/*; do
    [ "$(cat "$card/vendor" 2>/dev/null)" = 0x10de ] || continue
    case $(cat "$card/class" 2>/dev/null) in 0x03*) echo "${card##*/}" ;; esac
  done
}

# switches: how many NVSwitches join the cards.
switches() {
  for device in "$ROOT"/sys/bus/pci/devices/*; do
    [ "$(cat "$device/vendor" 2>/dev/null)" = 0x10de ] || continue
    case $(cat "$device/class" 2>/dev/null) in 0x0680*) echo "${device##*/}" ;; esac
  done | wc -l
}

fabric_manager() { nv-fabricmanager --version 2>/dev/null | sed -n 's/.*: *\([0-9.]*\)$/\1/p' | head -n 1; }

# fabric_joined: whether each card is in the fabric, within two minutes; cards without one say N/A. `left` is smi's own.
fabric_joined() {
  turns=${FABRIC_PATIENCE:-60}
  while smi --query-gpu=fabric.state,fabric.status --format=csv,noheader && grep -qvE '^(Completed, Success|\[?N/A\]?, \[?N/A\]?)$' "$T/smi"; do
    [ "$turns" -gt 0 ] || return 1
    sleep 2
    turns=$((turns - 1))
  done
}

# holder ADDRESS: the kernel driver that has the card.
holder() {
  link=$(readlink "$ROOT/sys/bus/pci/devices/$1/driver" 2>/dev/null || :)
  echo "${link##*/}"
}

held_by() { for card in $(cards); do holder "$card"; done | grep -qxE "$1"; }

next_kernel() {
  for image in "$ROOT"/boot/vmlinuz-*; do [ ! -e "$image" ] || echo "${image##*/vmlinuz-}"; done | sort -V | tail -n 1
}

has_module() { modinfo -k "$1" -F version nvidia >/dev/null 2>&1; }

on_disk() { modinfo -k "$(uname -r)" -F version nvidia 2>/dev/null | head -n 1; }

loaded() { cat "$ROOT/sys/module/nvidia/version" 2>/dev/null || :; }

# current: the loaded module is the one on the disk.
current() { [ "$(loaded)" = "$(on_disk)" ] && same_flavour; }

same_flavour() {
  opened=$(yes_no grep -q "Open Kernel Module" "$ROOT/proc/driver/nvidia/version")
  case $(modinfo -k "$(uname -r)" -F license nvidia 2>/dev/null || :) in
  *GPL*) [ "$opened" = true ] ;;
  *) [ "$opened" = false ] ;;
  esac
}

# smi ARGUMENT ...: nvidia-smi, given up after a minute (tenths of a second); a sick card holds it where no signal reaches it.
smi() {
  : >"$T/smi"
  rm -f "$T/smi.rc"
  { rc=0; nvidia-smi "$@" >"$T/smi" 2>&1 || rc=$?; echo "$rc" >"$T/smi.rc.part"; mv "$T/smi.rc.part" "$T/smi.rc"; } </dev/null >/dev/null 2>&1 9>&- &
  left=${SMI_PATIENCE:-600}
  while [ ! -e "$T/smi.rc" ]; do
    [ "$left" -gt 0 ] || { echo "nvidia-smi hangs" >"$T/smi"; return 124; }
    sleep 0.1
    left=$((left - 1))
  done
  return "$(cat "$T/smi.rc")"
}

# seen: "uuid, name, driver" of each card that the driver shows. 14 is a damaged infoROM; the card may work.
seen() {
  rc=0
  smi --query-gpu=uuid,name,driver_version --format=csv,noheader || rc=$?
  case $rc in 0 | 14) grep '^GPU-' "$T/smi" || : ;; esac
}

# driver_works: each card answers. Leaves their lines in $T/seen.
driver_works() {
  seen >"$T/seen"
  [ -s "$T/seen" ] && [ "$(wc -l <"$T/seen")" -eq "$(cards | wc -l)" ]
}

driver_version() { sed -n '1s/.*, //p' "$T/seen"; }

DRIVER="(linux-(modules|objects|signatures)-|xserver-xorg-video-|firmware-)nvidia.*|cuda-drivers.*|libcuda1"
DRIVER="$DRIVER|nvidia-(driver|headless|dkms|kernel|firmware|open|utils|compute-utils|modprobe|persistenced|smi|alternative)(-.*)?"
DRIVER="$DRIVER|libnvidia-(cfg1?|common|compute|decode|encode|extra|fbc1?|gl|gpucomp|ml1?|ptxjitcompiler1|nvvm)(-.*)?"
DRIVER="$DRIVER|a?kmod-nvidia.*|nvidia-(kmod-common|libXNVCtrl|settings|xconfig)|dnf-plugin-nvidia|xorg-x11-(drv-)?nvidia.*"

# theirs: "NAME VERSION" of the driver's packages that were there before us. Who writes a branch, a version or a flavour
# into the stack file has them replaced; what is no driver (fabric manager, toolkit, CUDA) stays.
theirs() {
  noted packages >"$T/mine"
  packages | grep -E "^($DRIVER) " | while read -r name version; do
    grep -qxF "$name" "$T/mine" || echo "$name $version"
  done
}

# driver_trouble: why it does not work, by the texts of the layers below.
driver_trouble() {
  plain <"$T/smi" >&2
  ! held_by nouveau || refuse "DRV-6 driver" "nouveau holds the card" "reboot the host; nouveau is blocked from then on"
  ! grep -q "Driver/library version mismatch" "$T/smi" ||
    refuse "DRV-1 driver" "the loaded module is $(loaded), the libraries are newer or older" "drain and reboot the node"
  ! grep -q "No devices were found" "$T/smi" ||
    refuse "PCI-4 driver" "the driver sees no card" "compare card, branch and flavour; on the host: dmesg | grep -i nvrm"
  ! grep -qE "GPU is lost|fallen off the bus" "$T/smi" ||
    refuse "PCI-8 card" "a card stopped answering" "drain and reboot the host; if it comes back, the hardware is bad"
  refuse "DRV-3 driver" "the driver shows $(wc -l <"$T/seen") of $(cards | wc -l) cards" "on the host: dmesg | grep -i nvrm"
}
