# shellcheck shell=sh
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

foreign() {
  run_file=$(exists /usr/bin/nvidia-uninstall /usr/bin/nvidia-installer /var/log/nvidia-installer.log && echo .run || :)
  if exists /run/nvidia/driver/usr || mentions ' /run/nvidia/driver ' /proc/mounts; then
    echo operator
  elif [ -n "$run_file" ] && [ -n "$(driver_packages)" ]; then
    echo mixed
  else
    echo "$run_file"
  fi
}

active() { systemctl is-active "$@" 2>/dev/null | grep -qx active; }

package_manager() {
  case "$(of_os ID) $(of_os ID_LIKE)" in
  *debian* | *ubuntu*) echo apt ;;
  *fedora* | *rhel* | *amzn*) echo dnf ;;
  *suse*) echo zypper ;;
  esac
}

# In the order in which a distribution of Kubernetes hides the one that is below it.
runtime_kind() {
  if active k3s k3s-agent || exists /var/lib/rancher/k3s; then
    echo k3s
  elif active rke2-server rke2-agent || exists /var/lib/rancher/rke2; then
    echo rke2
  elif active snap.microk8s.daemon-kubelite || exists /var/snap/microk8s; then
    echo microk8s
  elif active k0sworker k0scontroller || exists /var/lib/k0s; then
    echo k0s
  elif kubelet_says crio.sock || active crio; then
    echo crio
  elif kubelet_says dockerd.sock; then
    echo docker
  elif kubelet_says containerd.sock || command -v containerd >/dev/null; then
    echo containerd
  elif active docker; then
    echo docker
  fi
}

kubelet_says() { cat "$ROOT/var/lib/kubelet/config.yaml" "$ROOT/var/lib/kubelet/kubeadm-flags.env" 2>/dev/null | grep -q "$1"; }

runtime() {
  kind=$(runtime_kind)
  version='' config='' handlers='[]'
  if [ "$kind" = containerd ]; then
    version=$(containerd_version)
    config=/etc/containerd/config.toml
    handlers=$(config_dump "$ROOT$config" 2>/dev/null | handlers | list_of)
  fi
  answer kind "$(quoted "$kind")" version "$(quoted "$version")" config "$(quoted "$config")" handlers "$handlers"
}

wrote() { yes_no test -s "$RECORD/$1.$2"; }

# decided STEP PATTERN: what was decided, once one of our packages fits; before, it is nobody's: whoever gave up on us may
# have brought his own since. A key, a pin or headers of ours are no driver yet.
decided() {
  quoted "$(! cat "$RECORD/$1.decided" "$RECORD/$1.packages" 2>/dev/null | grep -qE "$2" || cat "$RECORD/$1.decided")"
}

apply() {
  packages >"$T/installed"
  works=$(yes_no driver_works)
  kernel=$(uname -r)
  next=$(next_kernel)
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
      foreign "$(quoted "$(foreign)")")" \
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
    kubelet "$(yes_no exists /etc/kubernetes/kubelet.conf /var/lib/kubelet/config.yaml)" \
    apt_lacks "$(lacking)" \
    ours "$(answer driver "$(decided driver '^keep$|^(lib|linux-modules-|kmod-)?nvidia-[^d]')" toolkit "$(decided toolkit toolkit)" runtime "$(wrote runtime files)")"
}

"$VERB"
