# shellcheck shell=sh
# shellcheck disable=SC2153,SC2154
# Step `join`: a machine that is nobody's node becomes one, by a k3s of ours: its one program, whose checksum is known, a
# unit, its settings. It comes after driver and toolkit, which k3s finds at its first start.
#
# What was there before is somebody's: then nothing is done. What k3s makes by itself is noted before its first start, so
# that it can be told from what was there. The data of the cluster stays, unless the stack file says otherwise; a mark in
# it says that it is ours, and with that it is taken up again.

# shellcheck source=host/lib.sh
. "${0%/*}/lib.sh"
alone

know k3s
UNIT=k3s
[ "${GR_JOIN-}" != agent ] || UNIT=k3s-agent
PROGRAM=/usr/local/bin/k3s
SETTINGS=/etc/rancher/k3s
TOKEN=$SETTINGS/gpu-ready.token
SERVICE=/etc/systemd/system/$UNIT.service
DATA=$HOME_OF
MARK=$DATA/gpu-ready
NODE=/etc/rancher/node
UNITS="/etc/systemd/system/k3s.service /etc/systemd/system/k3s-agent.service"
# What k3s makes by itself beside its data.
MAKES="$NODE /var/lib/kubelet /var/lib/cni /var/log/pods /var/log/containers /run/flannel"
RUNS=/run/k3s
MOUNTS="$RUNS /var/lib/kubelet /run/netns/cni-"
# How long a node may take to come up after its service has.
COMES_UP=180

apply() {
  nobodys
  undertake
  free_ports
  let_through
  echo "$GR_JOIN" | note role
  made_by_it
  program_of_k3s
  settings
  unit_text | settle "$SERVICE"
  mark
  start
  tell
}

# --- whose it is ------------------------------------------------------------------------------------------------------

nobodys() {
  role=$(noted role)
  [ "${role:-$GR_JOIN}" = "$GR_JOIN" ] ||
    refuse "HST-98 node" "this machine is k3s $role of this stack, and $GR_JOIN is asked for" \
      "take the host out, pulumi up, and declare it again"
  for path in $PROGRAM $SETTINGS/config.yaml $TOKEN $UNITS; do
    [ ! -e "$ROOT$path" ] || known "$path" || foreign "$path is there"
  done
  [ -z "$(k3s_data)" ] || has_note role || foreign "$DATA is there, from a k3s of somebody's"
}

foreign() {
  refuse "HST-98 node" "$1, and gpu-ready has not made it" \
    "keep that k3s: leave join out; it is no longer needed: k3s-uninstall.sh (or: rm -r $DATA $SETTINGS $PROGRAM)"
}

# 6443 is 192B there, 10250 is 280A; 0A: somebody listens.
free_ports() {
  ! active "$UNIT" || return 0
  for port in 6443:192B 10250:280A; do
    [ "$UNIT" = k3s ] || [ "$port" != 6443:192B ] || continue
    ! cat "$ROOT/proc/net/tcp" "$ROOT/proc/net/tcp6" 2>/dev/null | awk -v of=":${port#*:}\$" '$2 ~ of && $4 == "0A" {found = 1} END {exit !found}' ||
      refuse "HST-99 node" "something listens at port ${port%:*}, which k3s wants" "on the host: ss -ltnp 'sport = :${port%:*}'; stop it"
  done
}

let_through() {
  ! grep -qx 1 "$ROOT/sys/fs/selinux/enforce" 2>/dev/null || [ -e "$ROOT/usr/share/selinux/packages/k3s.pp" ] ||
    refuse "HST-99 node" "SELinux is enforcing, and its policy for k3s is not there" "install the package k3s-selinux from rpm.rancher.io"
  ! active firewalld || { { [ "$UNIT" != k3s ] || run firewall-cmd --query-port=6443/tcp; } && run firewall-cmd --zone=trusted --query-source=10.42.0.0/16; } ||
    refuse "HST-99 node" "firewalld lets neither kubectl nor pods through" "for a in --add-port=6443/tcp '--zone=trusted --add-source=10.42.0.0/16' '--zone=trusted --add-source=10.43.0.0/16'; do firewall-cmd --permanent \$a; done; firewall-cmd --reload; or stop it"
}

# What k3s makes by itself, as far as it is not there before its first start.
made_by_it() {
  has_note made || for path in $MAKES; do
    [ -e "$ROOT$path" ] || echo "$path"
  done | note made
}

# --- what is made -----------------------------------------------------------------------------------------------------

# settle PATH < content: where that changes something, what runs has to begin anew.
settle() {
  cat >"$T/wanted"
  ! { cmp -s "$T/wanted" "$ROOT$1" && ours "$1"; } || return 0
  echo pending | note restart
  rm -f "$T/file"
  place "$1" <"$T/wanted"
}

program_of_k3s() {
  [ ! -e "$ROOT$PROGRAM" ] || [ "$(sum "$ROOT$PROGRAM")" != "$GR_SHA256" ] || return 0
  part=$ROOT$PROGRAM.gpu-ready
  make_folder "${PROGRAM%/*}"
  rm -f "$part"
  # It is large, and some lines are slow; the rest is the business of the package manager's own downloader.
  # shellcheck disable=SC2034
  GR_KEY_SHA256=$GR_SHA256 PATIENCE=900
  fetch "$GR_URL" "$part" || unfetched
  [ "$(sum "$part")" = "$GR_SHA256" ] || mismatch "its checksum is $(sum "$part")"
  chmod 0755 "$part"
  says=$("$part" --version 2>/dev/null | sed -n '1s/^k3s version \([^ ]*\).*/\1/p' | plain)
  [ "$says" = "$GR_K3S" ] || {
    rm -f "$part"
    refuse "HST-97 packages" "what has that checksum is k3s ${says:-of no version}, and version is $GR_K3S" "take both from one release"
  }
  echo pending | note restart
  echo "$GR_SHA256 $PROGRAM" | note files
  mv -f "$part" "$ROOT$PROGRAM"
}

unfetched() {
  rm -f "$part"
  last_words
  ! grep -qiE "hash sum mismatch|checksum" "$T/said" || mismatch "its checksum is another one"
  refuse "HST-97 packages" "k3s did not come from $GR_URL" \
    "on the host: look at DNS, firewall, and the proxy in $PROXY; or a mirror: bareMetal.k3s: {url: ...}"
}

mismatch() {
  rm -f "$part"
  refuse "HST-97 packages" "what came from $GR_URL is not what sha256 says: $1" \
    "take sha256 from that release: the line of k3s in sha256sum-amd64.txt, from where you trust it"
}

settings() {
  {
    echo "# Made by gpu-ready, which writes it anew. Settings of your own: config.yaml.d/*.yaml beside it."
    if [ "$GR_JOIN" = server ]; then
      printf 'write-kubeconfig-mode: "0600"\ntls-san:\n  - "%s"\n' "$GR_ADDRESS"
    else
      printf 'server: "%s"\n' "$GR_SERVER"
    fi
    [ -z "${GR_TOKEN-}" ] || echo "token-file: $TOKEN"
  } | settle "$SETTINGS/config.yaml"
  # Nobody else may read it at any moment; and it is neither an argument nor part of the unit.
  [ -z "${GR_TOKEN-}" ] || (
    umask 077
    rm -f "$T/wanted"
    echo "$GR_TOKEN" | settle "$TOKEN"
  )
}

# A server says when it is ready; its agents end with it only when they are told to, so that pods go on running.
unit_text() {
  type=notify
  [ "$GR_JOIN" = server ] || type="exec"
  echo "# Made by gpu-ready."
  cat <<UNIT_OF_K3S
[Unit]
Description=k3s $GR_JOIN
Documentation=https://docs.k3s.io
Wants=network-online.target
After=network-online.target

[Service]
Type=$type
EnvironmentFile=-/etc/default/%N
EnvironmentFile=-/etc/sysconfig/%N
ExecStartPre=-/sbin/modprobe br_netfilter
ExecStartPre=-/sbin/modprobe overlay
ExecStart=$PROGRAM $GR_JOIN
KillMode=process
Delegate=yes
LimitNOFILE=1048576
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
TimeoutStartSec=0
Restart=always
RestartSec=5s

[Install]
WantedBy=multi-user.target
UNIT_OF_K3S
}

mark() {
  [ ! -e "$ROOT$MARK" ] || return 0
  [ -d "$ROOT${DATA%/*}" ] || echo "${DATA%/*}" | note folders
  echo "$DATA" | note data
  mkdir -p "$ROOT$DATA"
  echo "made by gpu-ready for $whose" | put "$ROOT$MARK"
}

# --- its life ---------------------------------------------------------------------------------------------------------

start() {
  run systemctl daemon-reload
  run systemctl enable "$UNIT"
  if has_note restart || ! active "$UNIT"; then
    run timeout -k 10 300 systemctl restart "$UNIT" || fails "did not start"
  fi
  came_up || fails "is not ready after $COMES_UP s"
  drop restart
}

fails() {
  cp "$T/said" "$T/why"
  ! command -v journalctl >/dev/null || run journalctl -u "$UNIT" -n 8 -o cat --no-pager || :
  last_words
  plain <"$T/why" >&2 || :
  refuse "HST-99 node" "$UNIT $1" "on the host: journalctl -u $UNIT; then pulumi up"
}

up_now() {
  active "$UNIT" && [ -s "$ROOT$JOINED" ] && by_crictl >"$T/info" && grep -q RuntimeReady "$T/info" &&
    { [ "$GR_JOIN" != server ] || [ -s "$ROOT$SETTINGS/k3s.yaml" ]; }
}

came_up() {
  since=$(date +%s)
  until up_now; do
    [ $(($(date +%s) - since)) -lt "$COMES_UP" ] || return 1
    sleep 3
  done
}

# datum NAME: of the kubeconfig, which k3s writes with a certificate of its administrator.
datum() { sed -n "s/^ *$1: *\([A-Za-z0-9+\/=]*\) *\$/\1/p" "$ROOT$SETTINGS/k3s.yaml" | head -n 1; }

tell() {
  if [ "$GR_JOIN" = server ]; then
    answer k3s "$(quoted "$GR_K3S")" role "$(quoted "$GR_JOIN")" authority "\"$(datum certificate-authority-data)\"" \
      certificate "\"$(datum client-certificate-data)\"" key "\"$(datum client-key-data)\""
  else
    answer k3s "$(quoted "$GR_K3S")" role "$(quoted "$GR_JOIN")"
  fi
}

# shellcheck source=host/join_back.sh
. "${0%/*}/join_back.sh"

"$VERB"
