# shellcheck shell=sh
# shellcheck disable=SC2154
# The driver of a .run file, part of driver.sh. Its installer is believed in nothing: it ends with 0 when it gave up, and
# warns where DKMS does not know its module (nvidia-installer 590.48, read in its source). It keeps its own list of what it
# made (/var/lib/nvidia), by which its uninstaller takes it back.

RUN=$OURS/run
RUN_FILE=$RUN/driver.run
RUN_LOG=$RUN/nvidia-installer.log
UNINSTALL=/usr/bin/nvidia-uninstall

install_run() {
  decide
  mend
  there=$(theirs | cut -d' ' -f1 | paste -sd' ' -)
  [ -z "$there" ] || refuse "HST-21 driver" "packages of a driver are here, and a .run file must not be laid over them: $there" \
    "keep that driver: driver: {source: keep}; take packages: source: auto; or remove them by hand first"
  if ! run_is_there; then
    build_tools
    fetch_run
    block_others
    [ -z "$(loaded)" ] || unload
    run_installer
  fi
  rm -rf "$RUN"
  rebuild_initramfs
  settle
}

run_is_there() {
  [ "$(noted run)" = "file $GR_WANT_DRIVER ${GR_DECIDED##* }" ] && [ -e "$ROOT$UNINSTALL" ] &&
    [ "$(on_disk)" = "$GR_WANT_DRIVER" ] && dkms_knows
}

dkms_knows() { dkms status 2>/dev/null | grep -E "^nvidia(/|, )$GR_WANT_DRIVER, $kernel," | grep -q ': installed'; }

# Compiler, headers and DKMS are ours where they were not there; they stay as long as the driver does.
build_tools() {
  note_key
  all_offered
  # shellcheck disable=SC2046
  install $(offered_for_kernel) $(cat "$T/wanted")
}

fetch_run() {
  mkdir -p "$RUN"
  chmod 0700 "$RUN"
  ! is_the_file || return 0
  [ -n "${GR_SHA256-}" ] || refuse "HST-101 packages" "driver $GR_WANT_DRIVER is not there as it was, and its .run file is not named any more" \
    "driver: {source: run, version: $GR_WANT_DRIVER, sha256: ...}"
  rm -f "$RUN_FILE"
  if [ -n "${GR_FILE-}" ]; then
    [ -f "$ROOT$GR_FILE" ] || refuse "HST-101 packages" "there is no file $GR_FILE on the host" "copy it there; or take path out, and it is fetched"
    # A copy: whoever owns that folder must not put another file there between the look and the run.
    cp "$ROOT$GR_FILE" "$RUN_FILE"
  else
    # Nearly half a gigabyte, and some lines are slow.
    # shellcheck disable=SC2034
    (GR_KEY_SHA256=$GR_SHA256 PATIENCE=900; fetch "$GR_URL" "$RUN_FILE") || unfetched
  fi
  is_the_file || another "its checksum is $(sum "$RUN_FILE")"
}

is_the_file() { [ -e "$RUN_FILE" ] && [ "$(sum "$RUN_FILE")" = "${GR_SHA256-}" ]; }

unfetched() {
  rm -rf "$RUN"
  last_words
  ! grep -qiE "hash sum mismatch|checksum" "$T/said" || another "its checksum is another one"
  refuse "HST-101 packages" "the .run file did not come from $GR_URL" \
    "on the host: look at DNS, firewall, and the proxy in $PROXY; one for GeForce cards, or a mirror: driver: {url: ...}"
}

another() {
  rm -rf "$RUN"
  refuse "HST-101 packages" "${GR_FILE-${GR_URL-}} is not what sha256 says: $1" "take version and sha256 from one release, from where you trust it"
}

# What it would do besides is done by us, and can be taken back: nouveau, the initial RAM disk, loading. What was begun is
# noted once the file is there: before, a driver here is somebody's.
run_installer() {
  record_folder
  echo "begun $GR_WANT_DRIVER ${GR_DECIDED##* }" | put "$RECORD/$STEP.run"
  say "running the installer of driver $GR_WANT_DRIVER"
  run env TMPDIR="$RUN" sh "$RUN_FILE" --silent --dkms --kernel-module-type="${GR_DECIDED##* }" --no-x-check --no-nouveau-check \
    --no-check-for-alternate-installs --no-install-compat32-libs --no-rebuild-initramfs --skip-module-load \
    --allow-installation-with-running-driver --log-file-name="$RUN_LOG" || :
  { [ "$(on_disk)" = "$GR_WANT_DRIVER" ] && [ -e "$ROOT$UNINSTALL" ] && dkms_knows; } || gave_up
  echo "file $GR_WANT_DRIVER ${GR_DECIDED##* }" | put "$RECORD/$STEP.run"
}

gave_up() {
  last_words
  unbuilt
  tail -n 12 "$RUN_LOG" 2>/dev/null | plain >&2 || :
  load_again
  ! grep -qE 'Building kernel modules|[Uu]nable to build|make.*Error' "$RUN_LOG" 2>/dev/null ||
    refuse "DRV-8 driver" "the module was not built for kernel $kernel: ${RUN_LOG#"$ROOT"}" "take a newer driver or an older kernel"
  [ "$(on_disk)" != "$GR_WANT_DRIVER" ] ||
    refuse "DRV-18 driver" "the installer ended, and DKMS does not know its module, which the next kernel would lack: ${RUN_LOG#"$ROOT"}" "on the host: dkms status"
  refuse "DRV-18 driver" "the installer of the .run file gave up: ${RUN_LOG#"$ROOT"}" "read its last lines above; then pulumi up"
}

take_back_run() {
  has_note run || return 0
  mkdir -p "$RUN"
  was=$(noted run)
  if [ "${was%% *}" = file ] && [ -n "$(on_disk)" ] && [ "file $(on_disk) ${was##* }" != "$was" ]; then
    say "left in place, because somebody else installed it: driver $(on_disk)"
  elif kept_uninstaller; then
    uninstalled "$RUN/nvidia-uninstall"
  elif [ -e "$RUN_FILE" ]; then
    uninstalled sh "$RUN_FILE" --uninstall
  fi
  rm -rf "$RUN"
  drop run
}

# It takes itself away as well: whoever is cut off then goes on with a copy.
kept_uninstaller() {
  if [ ! -e "$RUN/nvidia-uninstall" ] && [ -e "$ROOT$UNINSTALL" ]; then
    cp -L "$ROOT$UNINSTALL" "$RUN/uninstall.part"
    mv "$RUN/uninstall.part" "$RUN/nvidia-uninstall"
  fi
  [ -e "$RUN/nvidia-uninstall" ]
}

uninstalled() {
  run env TMPDIR="$RUN" "$@" --silent --skip-module-unload --log-file-name="$RUN/nvidia-uninstall.log" || :
  [ -e "$ROOT$UNINSTALL" ] || [ -n "$(on_disk)" ] || return 0
  last_words
  tail -n 12 "$RUN/nvidia-uninstall.log" 2>/dev/null | plain >&2 || :
  refuse "DRV-18 driver" "its own uninstaller did not take the driver away" "on the host: nvidia-uninstall; then again"
}
