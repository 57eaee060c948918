# shellcheck shell=sh
# shellcheck disable=SC2153
# Step `facts`: what the host is and has, as one line of JSON. Changes nothing, and trusts nothing it reads.

# shellcheck source=host/lib.sh
. "${0%/*}/lib.sh"
begin

first_line() { head -n 1 "$ROOT$1" 2>/dev/null | plain || :; }

first_word() { [ $# -eq 0 ] || echo "$1"; }

exists() { for path; do [ -e "$ROOT$path" ] && return; done; return 1; }

mentions() { grep -qE "$1" "$ROOT$2" 2>/dev/null; }

megabytes() { df -Pk "$ROOT$1" 2>/dev/null | awk 'NR == 2 {print int($4 / 1024); n = 1} END {if (!n) print 0}'; }

pci() { for part in vendor device; do tr -cd 0-9a-f <"$1/$part" | tail -c 4; done | sed 's/....$/:&/'; }

card_list() {
  for address in $(cards); do
    at=$ROOT/sys/bus/pci/devices/$address
    answer address "$(quoted "$address")" vendor_device "$(quoted "$(pci "$at")")" driver "$(quoted "$(holder "$address")")"
  done | paste -sd, - | sed 's/.*/[&]/; s/^$/[]/'
}

# A share of a card says so in its configuration space, before any driver: a vendor's capability that spells VF.
shared_card() {
  for address in $(cards); do
    od -An -v -tu1 -N256 "$ROOT/sys/bus/pci/devices/$address/config" 2>/dev/null
  done | awk '{for (i = 1; i <= NF; i++) byte[n++] = $i}
    END {
      for (from = 0; from + 256 <= n; from += 256)
        for (at = byte[from + 52]; at >= 64 && at < 252 && steps++ < 99; at = byte[from + at + 1])
          if (byte[from + at] == 9 && byte[from + at + 3] == 86 && byte[from + at + 4] == 70) exit 0
      exit 1
    }'
}

secure_boot() {
  variable=$ROOT/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c
  if [ -e "$variable" ]; then
    [ "$(od -An -tu1 -j4 -N1 "$variable" | tr -d ' ')" = 1 ]
  else
    mokutil --sb-state 2>/dev/null | grep -q "SecureBoot enabled"
  fi
}

flavour() {
  case $(modinfo -F license nvidia 2>/dev/null | head -n 1) in
  *MIT*) echo open ;;
  NVIDIA) echo proprietary ;;
  esac
}

driver_packages() {
  sed -n 's/ .*//; /^nvidia-driver-[0-9]/p; /^nvidia-\(open\|headless\|utils\|dkms\|kernel\)/p; /^cuda-drivers/p; /^linux-modules-nvidia/p
    /^libnvidia-compute/p; /^nvidia-driver$/p; /^nvidia-smi$/p; /^libcuda1$/p
    /^a\{0,1\}kmod-nvidia/p; /^nvidia-driver-cuda/p; /^xorg-x11-drv-nvidia/p; /^nvidia-.*driver-G0/p; /^nvidia-compute-G0/p' "$T/installed"
}

# packaged: whether packages of a driver are here that are not ours.
packaged() { driver_packages | grep -qvxF "$(cat "$RECORD/driver.packages" 2>/dev/null || echo none)"; }

foreign() {
  run_file=$(exists /usr/bin/nvidia-uninstall /usr/bin/nvidia-installer && echo .run || :)
  if exists /run/nvidia/driver/usr || mentions ' /run/nvidia/driver ' /proc/mounts; then
    echo operator
  elif [ -n "$run_file" ] && [ -n "$(driver_packages)" ]; then
    echo mixed
  elif [ ! -s "$RECORD/driver.run" ]; then
    echo "$run_file"
  fi
}

package_manager() {
  case "$(of_os ID) $(of_os ID_LIKE)" in
  *debian* | *ubuntu*) echo apt ;;
  *fedora* | *rhel* | *amzn*) echo dnf ;;
  *suse*) echo zypper ;;
  esac
}

# What runs comes before what the kubelet was told, and that before what may be left over; a distribution of Kubernetes
# hides what is below it.
runtime_kind() {
  case $unit in
  k3s* | rke2*) echo "${unit%%-*}" && return ;;
  *microk8s*) echo microk8s && return ;;
  k0s*) echo k0s && return ;;
  esac
  for kind in crio docker containerd; do
    ! kubelet_says "$kind" || { echo "$kind" && return; }
  done
  for kind in k3s rke2 microk8s k0s; do
    know "$kind"
    ! exists "$HOME_OF" || { echo "$kind" && return; }
  done
  if active crio; then echo crio; elif command -v containerd >/dev/null; then echo containerd; elif active docker; then echo docker; fi
}

kubelet_says() {
  [ -e "$T/kubelet" ] || {
    cd "$ROOT/var/lib/kubelet" 2>/dev/null && cat config.yaml instance-config.yaml kubeadm-flags.env
    cat "$ROOT/etc/default/kubelet" "$ROOT/etc/sysconfig/kubelet"
    grep -lx kubelet "$ROOT"/proc/[0-9]*/comm | while read -r process; do tr '\0' ' ' <"${process%comm}cmdline"; done
  } >"$T/kubelet" 2>/dev/null || :
  case $1 in docker) word='dockerd\.sock' ;; *) word="$1\.sock" ;; esac
  grep -vE '^ *#' "$T/kubelet" | grep -q "$word"
}

joined() {
  know "$kind"
  # shellcheck disable=SC2086
  exists $JOINED
}

runtime() {
  know "$kind"
  version='' config='' handlers='[]' template='' default=''
  case $kind in
  containerd)
    version=$(containerd_version)
    config=$CONFIG
    handlers=$(config_dump "$ROOT$config" 2>/dev/null | handlers | list_of)
    ;;
  k3s | rke2)
    version=$(containerd_version)
    config=$CONFIG
    handlers=$(handlers 2>/dev/null <"$ROOT$config" | list_of)
    template=$(hiding_template)
    ;;
  k0s)
    version=$(containerd_version)
    config=$CONFIG
    handlers=$(handlers 2>/dev/null <"$ROOT/run/k0s/containerd-cri.toml" | list_of)
    template=$(own_settings)
    ;;
  docker)
    version=$(docker_version)
    config=$CONFIG
    docker_runtimes >"$T/docker" || :
    handlers=$(sed -n 's/^runtime \([^ ]*\).*/\1/p' "$T/docker" | list_of)
    default=$(sed -n 's/^default //p' "$T/docker")
    ;;
  esac
  answer kind "$(quoted "$kind")" version "$(quoted "$version")" config "$(quoted "$config")" handlers "$handlers" \
    unit "$(quoted "$unit")" template "$(quoted "$template")" default "$(quoted "$default")"
}

# store: asked for only where it is to be used.
store() {
  # shellcheck source=host/store_disks.sh
  . "${0%/*}/store_disks.sh"
  know "$kind"
  FOLDER=$DATA
  on=$(findmnt -nro SOURCE -M "$ROOT$FOLDER" || :)
  ! is_up || on=
  answer disks "$(stores | while read -r disk name; do
    answer name "$(quoted "$name")" holds "$(quoted "$(holds "$disk")")"
  done | paste -sd, - | sed 's/.*/[&]/')" mounted "$(quoted "${on#"$ROOT"}")"
}

# recommended: asked for only where it is wished. Its servers' series is for cards without a display: 3D controllers.
recommended() {
  command -v ubuntu-drivers >/dev/null || return 0
  kind=
  for address in $(cards); do
    case $(cat "$ROOT/sys/bus/pci/devices/$address/class") in 0x0302*) kind=--gpgpu ;; esac
  done
  # shellcheck disable=SC2086
  run timeout -k 5 60 ubuntu-drivers list $kind --recommended || :
  found=$(awk '/^nvidia-/ {print $1; exit}' "$T/said")
  echo "${found:-none}"
}

fabric() { answer switches "$bridges" manager "$(quoted "$(fabric_manager)")" active "$(yes_no active nvidia-fabricmanager)"; }

# decided STEP PATTERN: what was decided, once one of our packages fits; before, it is nobody's: whoever gave up on us may
# have brought his own since. A key, a pin or headers of ours are no driver yet.
decided() {
  quoted "$(! cat "$RECORD/$1.decided" "$RECORD/$1.packages" "$RECORD/$1.run" 2>/dev/null | grep -qE "$2" || cat "$RECORD/$1.decided")"
}

# k3s_there: what was there of k3s before anybody joined this machine to something by us.
k3s_there() {
  if exists /usr/local/bin/k3s /etc/rancher/k3s/config.yaml /etc/systemd/system/k3s.service /etc/systemd/system/k3s-agent.service; then
    echo program
  elif [ -n "$(k3s_data)" ]; then
    echo data
  fi
}

apply() {
  packages >"$T/installed"
  works=$(yes_no driver_works)
  kernel=$(uname -r)
  next=$(next_kernel)
  unit=$(running k3s k3s-agent rke2-server rke2-agent snap.microk8s.daemon-kubelite k0scontroller k0sworker | head -n 1)
  kind=$(runtime_kind)
  bridges=$(switches)
  bridges=${bridges#0}
  hostname=$(first_line /proc/sys/kernel/hostname)
  answer format 1 \
    machine_id "$(quoted "$(first_line /etc/machine-id)")" \
    boot_id "$(quoted "$(boot_id)")" \
    hostname "$(quoted "${hostname:-$(uname -n)}")" \
    os "$(answer id "$(quoted "$(of_os ID)")" version "$(quoted "$(of_os VERSION_ID)")" \
      pretty "$(quoted "$(of_os PRETTY_NAME)")")" \
    arch "$(quoted "$(uname -m)")" \
    kernel "$(quoted "$kernel")" \
    cards "$(card_list)" \
    modules "$(answer nvidia "$(quoted "$(loaded)")" nouveau "$(yes_no exists /sys/module/nouveau)" \
      nova "$(yes_no exists /sys/module/nova_core)" flavour "$(quoted "$(flavour)")")" \
    driver "$(answer works "$works" version "$(quoted "$(driver_version)")" \
      foreign "$(quoted "$(foreign)")" packaged "$(yes_no packaged)")" \
    secure_boot "$(yes_no secure_boot)" \
    headers "$(yes_no test -d "$ROOT/lib/modules/$kernel/build/")" \
    next_kernel "$(quoted "$next")" \
    next_kernel_has_module "$(yes_no has_module "${next:-$kernel}")" \
    package_manager "$(quoted "$(package_manager)")" \
    dpkg_broken "$(yes_no broken)" \
    disk_free_mb "$(answer root "$(megabytes /)" boot "$(megabytes /boot)")" \
    runtime "$(runtime)" \
    toolkit "$(quoted "$(nvidia-ctk --version 2>/dev/null | sed -n '1s/.* //p')")" \
    immutable "$(yes_no exists /run/ostree-booted)" \
    wsl "$(yes_no mentions microsoft /proc/version)" \
    tegra "$(yes_no exists /etc/nv_tegra_release)" \
    vgpu "$(yes_no shared_card)" \
    kubelet "$(yes_no joined)" \
    k3s "$(quoted "$(k3s_there)")" \
    apt_lacks "$(lacking)" \
    ours "$(answer driver "$(decided driver '^keep$|^(lib|linux-modules-|kmod-)?nvidia-[^d]|^(begun|file) ')" toolkit "$(decided toolkit toolkit)" runtime "$(yes_no test -s "$RECORD/runtime.files" -o -s "$RECORD/runtime.restarted")" \
      join "$(quoted "$(cat "$RECORD/join.role" 2>/dev/null)")")" \
    ${bridges:+fabric} ${bridges:+"$(fabric)"} \
    ${GR_STORE:+store} ${GR_STORE:+"$(store)"} \
    ${GR_RECOMMENDED:+recommended} ${GR_RECOMMENDED:+"$(quoted "$(recommended)")"}
}

"$VERB"
