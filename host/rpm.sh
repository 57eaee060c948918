# shellcheck shell=sh
# shellcheck disable=SC2034,SC2153,SC2154
# How dnf does it, part of packages.sh. Tried with real dnf 4.14 and rpm 4.18, November 2026: what it says, and its exit
# codes; a simulation always ends with 1, so that its words tell. RPM systems of dnf 5 are looked at, not installed on.

MANAGER=dnf
COMMAND=dnf
CHECK="dnf check; rpm --rebuilddb"
CACHE=all
LOOK="dnf makecache"
PROXY=/etc/dnf/dnf.conf
VERSIONS="dnf --showduplicates list"
UPGRADE="dnf upgrade"
AGAIN="dnf reinstall"
LOGS=/var/log/dnf.log
UNREACHED="Could not resolve|Couldn't (connect|resolve)|Failed to connect|[Cc]onnection (timed out|refused)|Timeout was reached|Network is unreachable|All mirrors were tried"
UNSIGNED="signature verification error|is not signed|not correct for this package|GPG check FAILED|Public key for .* is not installed|Couldn't read a file.*rpm-gpg"
LOCKED="already locked by|can't create transaction lock"
FULL="No space left on device|more space (needed )?on"
KERNELS="kernel[0-9.]*(-core|-modules.*)?(-[0-9]|\$)"
LIST=/etc/yum.repos.d/gpu-ready-$STEP.repo
KEY=/etc/pki/rpm-gpg/RPM-GPG-KEY-gpu-ready-$STEP
LOCKS=/etc/dnf/plugins/versionlock.list
LOCKER=python3-dnf-plugin-versionlock
STREAM=/etc/dnf/modules.d/nvidia-driver.module

# packages: "NAME VERSION" of each. Headers are there for several kernels at once: those have the whole of it as a name.
packages() { rpm -qa --qf '%{NAME} %{VERSION}-%{RELEASE} %{ARCH}\n' 2>/dev/null | named; }

named() { awk '$1 != "gpg-pubkey" && $3 != "i686" {print ($1 ~ /^kernel[0-9.]*-devel$/ ? $1 "-" $2 "." $3 : $1) " " $2}'; }

# specs NAME=VERSION ...: as dnf wants it.
specs() { for item; do echo "$item" | sed '/^kernel[0-9.]*-devel-[0-9]/s/=.*//; s/=/-/'; done; }

# dnf4 ARGUMENT ...: it would wait for another one for ever.
dnf4() {
  left=$PATIENCE
  until run dnf --setopt=install_weak_deps=False --setopt=exit_on_lock=True ${GR_CRB:+--setopt="$GR_CRB.enabled=1"} "$@"; do
    grep -qE "$LOCKED" "$T/said" && [ "$left" -gt 0 ] || return 1
    sleep 5
    left=$((left - 5))
  done
}

known_trouble() {
  ! grep -q "nothing provides dkms" "$T/said" || no_dkms
  ! grep -qE "modular filtering|nothing provides requested module" "$T/said" ||
    refuse "HST-29 packages" "a module stream hides the driver" "on the host: dnf module list nvidia-driver; dnf module reset nvidia-driver"
  ! grep -q "exclude filtering" "$T/said" ||
    refuse "HST-71 packages" "a lock or an exclude of this host forbids it" "on the host: dnf versionlock list; grep exclude $PROXY"
}

no_dkms() {
  [ "$(of_os ID)" != amzn ] ||
    refuse "PKG-1 packages" "dkms, with which the module is built, is not in this release of Amazon Linux" \
      "on the host: dnf upgrade --releasever=latest; then pulumi up"
  refuse "PKG-1 packages" "dkms, with which the module is built, is in no repository of this host; it is in EPEL" \
    "on the host: dnf install https://dl.fedoraproject.org/pub/epel/epel-release-latest-$(of_os VERSION_ID | cut -d. -f1).noarch.rpm; then pulumi up"
}

broken() { ! rpm -q rpm >/dev/null 2>&1; }

# Who was cut off in the middle has packages whose own scripts, such as one that builds a module, never ran to their end;
# neither rpm nor dnf knows that.
mend() {
  ! broken || refuse "HST-31 packages" "the database of rpm cannot be read" "on the host: rpm --rebuilddb"
  after_keys
  rm -f "$ROOT$LOCKS.gpu-ready"
  has_note pending || return 0
  packages >"$T/installed"
  twice=$(cut -d' ' -f1 "$T/installed" | sort | uniq -d | grep -xF "$(noted pending)" | paste -sd' ' - || :)
  [ -z "$twice" ] || refuse "HST-31 packages" "an update was cut off, and there are two of $twice" "on the host: dnf remove --duplicates"
  half=$(cut -d' ' -f1 "$T/installed" | grep -xF "$(noted pending)" || :)
  # shellcheck disable=SC2086
  if [ -n "$half" ] && [ "$VERB" != remove ]; then
    say "an installation was cut off: again $(echo "$half" | paste -sd" " -)"
    dnf4 -y reinstall $half || failed reinstall
    # What was not built is begun anew the next time; why it was not, its log says.
    ! grep -q "$UNBUILT" "$T/said" || return 0
  fi
  drop pending
}

update_lists() {
  rm -f "$T"/offered.*
  dnf4 -y makecache || ! grep -qE "$LOCKED" "$T/said" || failed makecache
  cp "$T/said" "$T/updated"
}

# listed ADDRESS: files of others that name it, and have it switched on.
listed() {
  for file in "$ROOT"/etc/yum.repos.d/*.repo; do
    [ "$file" = "$ROOT$LIST" ] || ! awk -v address="$1" '
      /^\[/ {on = 1; here = 0}
      /^enabled *= *0/ {on = 0; if (here) found = 0}
      /^baseurl *=/ && index($0, address) {here = 1; found = on}
      END {exit !found}' "$file" 2>/dev/null || echo "$file"
  done
}

# By the proxy of dnf.
fetch() {
  proxy=$(sed -n 's/^proxy *= *//p' "$ROOT$PROXY" 2>/dev/null | tail -n 1)
  run curl -fsSL --retry 2 --max-time "$PATIENCE" ${proxy:+-x "$proxy"} -o "$2" "$1" || return 1
  [ -z "${GR_KEY_SHA256-}" ] || [ "$(sum "$2")" = "$GR_KEY_SHA256" ] || { echo "its checksum is $(sum "$2")" >"$T/said"; return 1; }
}

listing() {
  printf '[gpu-ready-%s]\nname=NVIDIA, by gpu-ready\nbaseurl=%s\nenabled=1\ngpgkey=file://%s\n' "$STEP" "$address" "$KEY"
  case ${GR_SIGNED-} in
  lists) printf 'gpgcheck=0\nrepo_gpgcheck=1\n' ;;
  *) printf 'gpgcheck=1\nrepo_gpgcheck=0\n' ;;
  esac
  [ -z "${GR_HOTFIXES-}" ] || echo module_hotfixes=1
}

# What dnf itself writes for `dnf module enable`; as a file of ours it goes, or turns into what it was, with all others.
more_repositories() {
  if [ -n "${GR_STREAM-}" ]; then
    printf '[%s]\nname=%s\nstream=%s\nprofiles=\nstate=enabled\n' "${GR_STREAM%%:*}" "${GR_STREAM%%:*}" "${GR_STREAM#*:}" | place "$STREAM"
    rm -f "$T"/offered.*
  fi
  headers_offered
  [ -n "$(missing dkms)" ] && [ -z "$(offered dkms)" ] || return 0
  { [ -n "${GR_EPEL-}" ] && [ -n "$(offered "$GR_EPEL")" ]; } || { reached "$T/updated"; no_dkms; }
  install "$GR_EPEL"
  update_lists
}

headers_offered() {
  for name in $GR_KERNEL_PACKAGES; do
    [ -n "$(offered "$name$kernel")$(offered "$name$(next_kernel)")" ] || [ -d "$ROOT/lib/modules/$kernel/build/" ] || {
      reached "$T/updated"
      refuse "DRV-8 driver" "dnf has no headers for the running kernel $kernel" "on the host: dnf upgrade 'kernel*' && systemctl reboot; then pulumi up"
    }
  done
}

# offered NAME[=PATTERN]: the newest that fits, as dnf has it; asked once.
offered() {
  name=${1%%=*}
  pattern='?*'
  case $1 in *=*) pattern=${1#*=} ;; esac
  [ -e "$T/offered.$name" ] ||
    dnf -q --disableplugin=versionlock repoquery --qf '%{name} %{version}-%{release} %{arch}' "$name" 2>/dev/null 9>&- |
    named | version_of "$name" | sort -rV >"$T/offered.$name"
  fits "$pattern" <"$T/offered.$name"
}

# simulate install|remove ITEM ...: what would come new is left in $T/coming, what would go in $T/leaving.
simulate() {
  verb=$1
  shift
  # shellcheck disable=SC2046
  dnf4 --assumeno $(flags "$verb") "$verb" $(specs "$@") || grep -q "Operation aborted" "$T/said" || failed "--assumeno $verb $*"
  table Installing <"$T/said" | named | cut -d' ' -f1 >"$T/coming"
  table Removing <"$T/said" | named | cut -d' ' -f1 >"$T/leaving"
}

flags() { case $1 in remove) echo --noautoremove ;; install) echo --allowerasing ;; esac; }

# table Installing|Removing < words: "NAME VERSION ARCH" of these rows; a long name has a line of its own.
table() {
  awk -v what="$1" '
    /^Transaction Summary/ {exit}
    /^[A-Z].*:$/ {on = index($0, what) == 1; next}
    on && /^ [^ ]/ {name = $1; if (NF == 1) next}
    on && name && /^ / {sub(/^ +/, ""); if ($1 == name) sub(/^[^ ]+ +/, ""); version = $2; sub(/^[0-9]+:/, "", version); print name, version, $1; name = ""}'
}

carry_out() {
  verb=$1
  shift
  if [ "$verb" = remove ]; then : >"$T/begun"; else for item; do echo "${item%%=*}"; done | cat - "$T/coming" >"$T/begun"; fi
  note pending <"$T/begun"
  before_keys
  # Of the same version the other flavour would take the new module along, if it went after that came.
  # shellcheck disable=SC2046
  [ "$verb" = remove ] || [ ! -s "$T/leaving" ] || run rpm -e --nodeps $(cat "$T/leaving") || return 1
  # shellcheck disable=SC2046
  dnf4 -y $(flags "$verb") "$verb" $(specs "$@") || return 1
  after_keys
  [ "$verb" = remove ] || built
  noted pending | grep -vxFf "$T/begun" >"$T/note" || :
  if [ -s "$T/note" ]; then put "$RECORD/$STEP.pending" <"$T/note"; else drop pending; fi
}

# Keys that dnf takes in for a package that is wanted are ours to take away, whoever lists them.
keys() { rpm -qa 'gpg-pubkey*' 2>/dev/null | sort; }

before_keys() { has_note before-keys || { echo none; keys; } | note before-keys; }

after_keys() {
  has_note before-keys || return 0
  noted before-keys >"$T/keys"
  keys | grep -vxFf "$T/keys" | note keys
  drop before-keys
}

marked_auto() {
  dnf -q -C repoquery --userinstalled --qf '%{name} %{version}-%{release} %{arch}' 2>/dev/null 9>&- | named | cut -d' ' -f1 >"$T/wished"
  packages | cut -d' ' -f1 | grep -vxFf "$T/wished" || :
}

# dnf-automatic and everybody's `dnf upgrade` respect these locks.
can_hold() { rpm -q --whatprovides 'dnf-command(versionlock)' >/dev/null 2>&1 || { update_lists; install $LOCKER; }; }

held() { sed -n 's/^\([a-z][^*: ]*\)-[0-9][0-9]*:.*/\1/p; t
  s/^\([a-z][^*: ]*\)-[0-9].*/\1/p' "$ROOT$LOCKS" 2>/dev/null || :; }

lock() {
  for name; do rpm -q --qf '%{NAME}-%{EPOCHNUM}:%{VERSION}-%{RELEASE}.*\n' "$name"; done >"$T/locks" ||
    refuse "HST-80 packages" "$* cannot be locked" "on the host: rpm -q $*"
  { cat "$ROOT$LOCKS" 2>/dev/null; cat "$T/locks"; } | put "$ROOT$LOCKS"
}

unlock() {
  for name; do echo "$name"; done >"$T/unlocked"
  while IFS= read -r line; do
    name=$(echo "$line" | sed -n 's/^\([a-z][^*: ]*\)-[0-9][0-9]*:.*/\1/p')
    grep -qxF "${name:-none}" "$T/unlocked" || printf '%s\n' "$line"
  done <"$ROOT$LOCKS" >"$T/locks"
  put "$ROOT$LOCKS" <"$T/locks"
}

# companions: what came with the driver and has its version. Not all of it would stay behind by what it needs.
companions() {
  packages >"$T/installed"
  noted packages | while read -r name; do
    case $(version_of "$name" <"$T/installed") in "$GR_WANT_DRIVER"[.-]*) echo "$name" ;; esac
  done
}

forget() {
  noted keys | while read -r key; do ! rpm -q "$key" >/dev/null 2>&1 || run rpm -e "$key" || failed "-e $key"; done
  drop keys
}

# Only the next boot counts, which is the one with the newest kernel.
initramfs() { run dracut --force --kver "$(next_kernel)" || failed dracut; }

# dnf is not asked: that takes longer than a look may.
lacking() { echo '[]'; }
