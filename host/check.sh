# shellcheck shell=sh
# Step `check`: each card answers on the host, and in a container.
#
# The container is made of nothing but the C library of the host: no image is pulled (a host may be cut off from any
# registry), and nvidia-smi, its libraries and the devices can only be there if the toolkit put them in. It goes the way
# of a pod from containerd on: its daemon, its shim, nvidia-container-runtime as the runc of it; or from Docker on, as an
# image that is gone afterwards. The handler that the kubelet asks for is proven by the step before, the whole way by the
# validation in the cluster.

# shellcheck source=host/lib.sh
. "${0%/*}/lib.sh"
alone

know "${GR_RUNTIME%% *}"
CONTAINER=$OURS/check
ID=gpu-ready-check

apply() {
  driver_works || driver_trouble
  [ -z "${GR_CARDS-}" ] || [ "$GR_CARDS" = "$(wc -l <"$T/seen")" ] ||
    refuse "PCI-8 card" "$(wc -l <"$T/seen") cards answer, it were $GR_CARDS" "on the host: dmesg | grep -i nvrm"
  trap 'clean; rm -rf "$T"' EXIT
  clean
  make_root
  try
  answer cards "$(card_list)" container '"ok"'
}

card_list() {
  while IFS=, read -r uuid name driver; do
    answer uuid "$(quoted "$uuid")" name "$(quoted "${name# }")" driver "$(quoted "${driver# }")"
  done <"$T/seen" | paste -sd, - | sed 's/.*/[&]/'
}

# Not below /run, where nothing may be executed on some distributions.
make_root() {
  for folder in usr/bin usr/lib usr/lib64 usr/sbin etc/ld.so.conf.d proc sys dev run tmp; do mkdir -p "$CONTAINER/$folder"; done
  for folder in bin lib lib64 sbin; do ln -s "usr/$folder" "$CONTAINER/$folder"; done
  echo 'include /etc/ld.so.conf.d/*.conf' >"$CONTAINER/etc/ld.so.conf"
  for folder in usr/lib64 usr/lib "$ROOT"/usr/lib/*-linux-gnu; do
    folder=${folder#"$ROOT"/}
    for library in ld-linux-x86-64.so.2 ld-linux-aarch64.so.1 libc.so.6 libm.so.6 libdl.so.2 libpthread.so.0 librt.so.1; do
      [ -e "$ROOT/$folder/$library" ] || continue
      mkdir -p "$CONTAINER/$folder"
      cp -L "$ROOT/$folder/$library" "$CONTAINER/$folder/"
    done
  done
}

containers() { LIMIT=120 program ctr --address "$ROOT$SOCKET" -n gpu-ready "$@"; }

# in_container PROGRAM ARGUMENT ...
in_container() {
  case $KIND in
  docker)
    tar -C "$CONTAINER" -c . | docker import - "$ID" >/dev/null || return 1
    timeout -k 10 120 docker run --rm --name "$ID" --runtime nvidia --network none \
      -e NVIDIA_VISIBLE_DEVICES=all -e NVIDIA_DRIVER_CAPABILITIES=compute,utility "$ID" "$@"
    ;;
  *)
    containers run --rm --rootfs --runc-binary /usr/bin/nvidia-container-runtime \
      --env NVIDIA_VISIBLE_DEVICES=all --env NVIDIA_DRIVER_CAPABILITIES=compute,utility "$CONTAINER" "$ID" "$@"
    ;;
  esac
}

try() {
  run in_container /usr/bin/nvidia-smi --query-gpu=uuid --format=csv,noheader || broken "it ended with status $?"
  cut -d, -f1 "$T/seen" | sort >"$T/outside"
  grep '^GPU-' "$T/said" | sort | cmp -s - "$T/outside" || broken "it shows $(grep -c '^GPU-' "$T/said" || :) of $(wc -l <"$T/outside")"
}

broken() {
  last_words
  refuse "HST-76 runtime" "a container on the host does not see the cards: $1" "on the host: nvidia-container-cli info; nvidia-ctk cdi list"
}

# Whatever an earlier run that was cut off left behind.
clean() {
  case $KIND in
  docker)
    run docker rm -f "$ID" || :
    run docker rmi -f "$ID" || :
    ;;
  *)
    run containers task rm -f "$ID" || :
    run containers container rm "$ID" || :
    run containers namespace rm gpu-ready || :
    ;;
  esac
  rm -rf "$CONTAINER"
}

"$VERB"
