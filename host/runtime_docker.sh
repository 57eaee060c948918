# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154
# Docker with cri-dockerd as what the kubelet uses, part of runtime.sh.
#
# cri-dockerd 0.3 takes no handler of a RuntimeClass, so `nvidia` becomes Docker's default here. Its file is JSON and
# somebody's own: two members are put into it and nothing else is touched, byte for byte. Docker takes both without being
# restarted, which would end every container unless it has live-restore; only where it does not, it is restarted.

FILE=$ROOT$CONFIG
SHIM=/usr/bin/nvidia-container-runtime

# json WHAT [FORMER] < file: `set` puts our members in, `unset` takes them out and FORMER (JSON) back, `default`, `runtime`
# print what stands there; fails where it is no object.
json() {
  awk -v what="$1" -v former="${2-}" -v RS='\001' -v member="{\"path\": \"$SHIM\", \"runtimeArgs\": []}" '
    function skip(i) { while (i <= length(s) && index(" \t\r\n", substr(s, i, 1))) i++; return i }
    function quoted(i,   c) {
      for (i++; (c = substr(s, i, 1)) != "\""; i++) { if (c == "") fail(); if (c == "\\") i++ }
      return i + 1
    }
    function past(i,   c, depth, start) {
      start = i
      do {
        c = substr(s, i, 1)
        if (c == "\"") { i = quoted(i); continue }
        if (c == "") fail()
        if (c == "{" || c == "[") depth++
        else if (c == "}" || c == "]") { if (!depth) break; depth-- }
        else if (!depth && (c == "," || index(" \t\r\n", c))) break
        i++
      } while (depth || !index("{[\"", substr(s, start, 1)))
      if (i == start) fail()
      return i
    }
    function members(i,   key) {
      count = 0
      if (substr(s, i, 1) != "{") fail()
      open = i
      i = skip(i + 1)
      while (substr(s, i, 1) != "}") {
        if (substr(s, i, 1) != "\"") fail()
        name_at[++count] = i
        key = quoted(i)
        name[count] = substr(s, i + 1, key - i - 2)
        i = skip(key)
        if (substr(s, i, 1) != ":") fail()
        value_at[count] = skip(i + 1)
        end_at[count] = past(value_at[count])
        i = skip(end_at[count])
        if (substr(s, i, 1) == ",") { i = skip(i + 1); if (substr(s, i, 1) == "}") fail() }
        else if (substr(s, i, 1) != "}") fail()
      }
      close_at = i
    }
    function find(i, wanted,   k) {
      members(i)
      for (k = 1; k <= count; k++) if (name[k] == wanted) return k
      return 0
    }
    function put(i, wanted, value,   k, space) {
      k = find(i, wanted)
      if (k) { s = substr(s, 1, value_at[k] - 1) value substr(s, end_at[k]); return }
      space = count ? substr(s, open + 1, name_at[1] - open - 1) : "\n  "
      s = substr(s, 1, open) space "\"" wanted "\": " value (count ? "," space : "\n") substr(s, count ? name_at[1] : close_at)
    }
    function take(i, wanted,   k) {
      k = find(i, wanted)
      if (!k) return
      if (k < count) s = substr(s, 1, name_at[k] - 1) substr(s, name_at[k + 1])
      else if (k > 1) s = substr(s, 1, end_at[k - 1] - 1) substr(s, end_at[k])
      else s = substr(s, 1, open) substr(s, close_at)
    }
    function fail() { failed = 1; exit 1 }
    { s = s $0 }
    END {
      if (failed) exit 1
      if (skip(1) > length(s)) s = "{}\n"
      top = skip(1)
      members(top)
      if (skip(close_at + 1) <= length(s)) exit 1
      k = find(top, what == "default" ? "default-runtime" : "runtimes")
      if (what == "default") { if (k) printf "%s", substr(s, value_at[k], end_at[k] - value_at[k]); exit }
      if (what == "runtime") { if (k && find(value_at[k], "nvidia")) print "yes"; exit }
      if (what == "set") {
        if (!k) put(top, "runtimes", "{}")
        k = find(top, "runtimes")
        if (!find(value_at[k], "nvidia")) { find(top, "runtimes"); put(value_at[k], "nvidia", member) }
        put(top, "default-runtime", "\"nvidia\"")
      } else if (what == "former") put(top, "default-runtime", former)
      else {
        if (former == "" || former == "keep") take(top, "default-runtime")
        else put(top, "default-runtime", former)
        if (what == "unset" && k) {
          k = find(top, "runtimes")
          take(value_at[k], "nvidia")
          k = find(top, "runtimes")
          members(value_at[k])
          if (!count) take(top, "runtimes")
        }
      }
      printf "%s", s
    }'
}

look() {
  release=$(docker_version)
  [ ! -L "$FILE" ] || refuse "RT-16 runtime" "$CONFIG is a link: something else owns it" "set the default runtime $NAME there"
  if [ -e "$FILE" ]; then cat "$FILE"; fi | json default >/dev/null ||
    refuse "RT-16 runtime" "$CONFIG is no JSON object" "mend it: dockerd --validate --config-file $CONFIG"
}

is_ours() { known "$CONFIG"; }

has_it() { serves && grep -q "^runtime $NAME .*nvidia-container-runtime" "$T/info"; }

meet() {
  has_note restart || answers ||
    refuse "HST-34 runtime" "Docker does not answer, so nothing could prove a change" "on the host: systemctl status docker; docker info"
}

answers() { runs && docker_runtimes >"$T/info"; }

serves() { answers && grep -qx "default $NAME" "$T/info"; }

write() {
  if [ -e "$FILE" ]; then cat "$FILE"; fi | json set >"$T/candidate"
  if cmp -s "$T/candidate" "$FILE" && ours "$CONFIG"; then return; fi
  valid "$T/candidate"
  echo pending | note restart
  place "$CONFIG" <"$T/candidate"
  changed=true
}

# Older ones cannot say.
valid() {
  dockerd --help 2>/dev/null | grep -q -- '--validate' || return 0
  run dockerd --validate --config-file "$1" || {
    last_words
    refuse "RT-16 runtime" "Docker refuses the new $CONFIG; the old one was not touched" "read its words above"
  }
}

reload() { run timeout -k 10 60 systemctl reload "$UNIT"; }

restart() { { reload && serves; } || restarted serves; }

# Of a file that somebody edited since, what is not ours stays; the text that is to come back is made of it.
take_out() {
  if ! known "$CONFIG"; then return; fi
  echo pending | note restart
  before=$(backup_of "$CONFIG")
  former=$(if [ -e "$before" ]; then json default <"$before"; fi)
  if [ -e "$FILE" ] && ! ours "$CONFIG"; then
    say "$CONFIG was edited since; only what gpu-ready put there is taken out of it"
    what="unset"
    [ ! -e "$before" ] || [ -z "$(json runtime <"$before")" ] || what=keep
    json "$what" "$former" <"$FILE" >"$T/final" || refuse "RT-16 runtime" "$CONFIG is no JSON object" "mend it by hand"
    cp -p "$FILE" "$before.part"
    cat "$T/final" >"$before.part"
    mv -f "$before.part" "$before"
  fi
  # A default that is not said any more stays what it was until a restart, so the former one is said once.
  if runs; then
    if [ -e "$before" ]; then cat "$before"; fi | json former "${former:-\"runc\"}" >"$T/interim"
    echo "$(sum "$T/interim") $CONFIG" | note files
    if [ -e "$FILE" ]; then cp -p "$FILE" "$FILE.gpu-ready"; fi
    put "$FILE" <"$T/interim"
    { reload && ! serves; } || restarted answers ||
      refuse "HST-77 runtime" "Docker did not come back without the default runtime $NAME" "journalctl -u docker"
  fi
  take_back "$CONFIG"
}
