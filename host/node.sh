# shellcheck shell=sh
# shellcheck disable=SC2034
# Where each kind of node keeps its container runtime, part of lib.sh: a table, and whoever is to be asked.

# know KIND: its folder and programs (BIN is empty where PATH has them), its settings, where it answers, what the
# kubelet of such a node leaves behind, and where the runtime keeps images and containers.
know() {
  KIND=$1 BIN='' TEMPLATES='' DATA=/var/lib/containerd
  SOCKET=/run/containerd/containerd.sock CONFIG=/etc/containerd/config.toml
  JOINED="/etc/kubernetes/kubelet.conf /var/lib/kubelet/config.yaml"
  case $KIND in
  k3s | rke2)
    HOME_OF=/var/lib/rancher/$KIND
    SOCKET=/run/k3s/containerd/containerd.sock
    TEMPLATES=$HOME_OF/agent/etc/containerd
    DATA=$HOME_OF/agent/containerd
    CONFIG=$TEMPLATES/config.toml
    JOINED=$HOME_OF/agent/kubelet.kubeconfig
    ;;
  microk8s) HOME_OF=/var/snap/microk8s JOINED=/var/snap/microk8s/current/credentials/kubelet.config ;;
  k0s)
    HOME_OF=/var/lib/k0s JOINED=/var/lib/k0s/kubelet.conf
    SOCKET=/run/k0s/containerd.sock CONFIG=/etc/k0s/containerd.d/gpu-ready.toml
    ;;
  docker) HOME_OF='' CONFIG=/etc/docker/daemon.json DATA=/var/lib/docker ;;
  *) HOME_OF='' ;;
  esac
  case $KIND in
  k3s) BIN=/var/lib/rancher/k3s/data/current/bin/ ;;
  rke2) BIN=/var/lib/rancher/rke2/bin/ ;;
  k0s) BIN=/var/lib/k0s/bin/ ;;
  esac
}

# program NAME ARGUMENT ...: one that belongs to the container runtime of this kind of node; given up after LIMIT.
program() {
  tool=$1
  shift
  case $KIND,$tool in
  k0s,ctr) ${LIMIT:+timeout -k 10 "$LIMIT"} "$ROOT/usr/local/bin/k0s" ctr "$@" ;;
  *) ${LIMIT:+timeout -k 10 "$LIMIT"} "${BIN:+$ROOT$BIN}$tool" "$@" ;;
  esac
}

# running UNIT ...: those that are active.
running() {
  systemctl is-active "$@" >"$T/active" 2>/dev/null || :
  for one; do echo "$one"; done | paste -d ' ' - "$T/active" | sed -n 's/ active$//p'
}

active() { [ -n "$(running "$@")" ]; }

by_crictl() { program crictl --runtime-endpoint "unix://$ROOT$SOCKET" info 2>/dev/null; }

# Distributions write v1.7.24, 1.7.24 or 1.6.20~ds1, and k3s v2.1.5-k3s1.
containerd_version() { program containerd --version 2>/dev/null | awk '{sub(/^v/, "", $3); sub(/[^0-9.].*/, "", $3); print $3}'; }

docker_version() { dockerd --version 2>/dev/null | sed -n 's/^Docker version \([0-9.]*\).*/\1/p'; }

# k3s_data: what lies there of a k3s that nobody can say to be ours; a folder may be there for a disk.
k3s_data() {
  [ -e "$ROOT/var/lib/rancher/k3s/gpu-ready" ] ||
    find "$ROOT/var/lib/rancher/k3s" -mindepth 1 -maxdepth 1 ! -name lost+found 2>/dev/null | head -n 1
}

# docker_runtimes: a line for each with its program, then the default one.
docker_runtimes() {
  docker info --format '{{range $name, $one := .Runtimes}}runtime {{$name}} {{$one.Path}}{{println}}{{end}}default {{.DefaultRuntime}}' 2>/dev/null
}

# config_version FILE: what it declares; nothing where it declares none.
config_version() { sed -n '/^[[:space:]]*\[/q; s/^[[:space:]]*version[[:space:]]*=[[:space:]]*\([0-9]*\).*/\1/p' "$1" 2>/dev/null | head -n 1; }

# handlers < dump: the names of the runtimes of the CRI plugin.
handlers() { sed -n "s/^ *\[plugins\.[^]]*cri[^]]*\.runtimes\.[\"']\{0,1\}\([A-Za-z0-9_-]*\)[\"']\{0,1\}\]\$/\1/p" | sort -u; }

# config_dump FILE: what containerd reads out of it; without a file its defaults, of which it gives no dump by itself.
config_dump() {
  file=$1
  [ -e "$file" ] || { file=$T/nothing && : >"$file"; }
  containerd -c "$file" config dump
}

# hiding_template: a template of somebody's own that leaves out what k3s and RKE2 find by themselves. That of the newer
# form comes first, but for a containerd that cannot read it.
hiding_template() {
  for name in config-v3.toml.tmpl config.toml.tmpl; do
    case $name,$(containerd_version) in config-v3*,1.*) continue ;; esac
    [ -e "$ROOT$TEMPLATES/$name" ] || continue
    grep -qE 'template +"base"|nvidia-container-runtime' "$ROOT$TEMPLATES/$name" || echo "$TEMPLATES/$name"
    return
  done
}

# own_settings: of k0s: the file that it leaves alone once its mark is gone.
own_settings() {
  own=/etc/k0s/containerd.toml
  [ ! -e "$ROOT$own" ] || head -n 1 "$ROOT$own" | grep -qx '# k0s_managed=true' || echo "$own"
}

# look_again: of the step `toolkit`: k3s and RKE2 look for it when they start, so once it is gone they look again.
look_again() {
  unit=$(noted restart)
  if [ -n "$unit" ] && active "$unit"; then
    run timeout -k 10 300 systemctl restart "$unit" || {
      last_words
      refuse "RT-14 runtime" "$unit did not come back without the toolkit" "on the host: journalctl -u $unit"
    }
  fi
  drop restart
}
