# shellcheck shell=sh
# sh call.sh WAY STEP VERB: runs a step as root, as whoever logged in. What the step is told comes by stdin; where sudo
# wants a password, that is its first line: an argument or an environment would be seen in the process list.

export LC_ALL=C
no() {
  printf 'HST-1 access: no way to become root, see above\nfix: %s\n' "$1" >&2
  exit 3
}
# sudo must neither eat the values, which are our stdin, nor ask at a terminal, which is not there. Whoever needs no
# password leaves it unread in front of the values: lib.sh takes nothing but values from there.
case $1 in
passwordless)
  root() { sudo -n "$@"; }
  fix="allow it: USER ALL=(ALL) NOPASSWD: ALL in /etc/sudoers.d/gpu-ready; or sudo: password"
  ;;
password)
  IFS= read -r password
  # printf is part of the shell: ps does not show it.
  root() { { printf '%s\n' "$password"; cat; } | sudo -k -S -p '' "$@"; }
  fix="correct the secret sshPassword, and let sudo work without a terminal"
  ;;
*)
  root() { "$@"; }
  fix="log in as root, or say as whom: user"
  ;;
esac
root true </dev/null || no "$fix"
root sh "${0%/*}/$2.sh" "$3"
