"""What stands on PATH in a simulated machine: stand-ins, small answers in shell, and the real coreutils."""

from __future__ import annotations

import shlex
import shutil
import sys
from functools import cache
from pathlib import Path
from typing import Final

from lab.host.standins.tools import MODULES

REPOSITORY: Final = Path(__file__).resolve().parents[2]
BROUGHT: Final = frozenset({
    "nvidia-smi", "nvidia-modprobe", "nvidia-ctk", "nvidia-container-cli", "nvidia-container-runtime",
    "containerd", "ctr", "crictl", "dkms", "apt-helper", "docker", "dockerd", "k0s", "k3s", "mdadm",
    "nvidia-installer", "nvidia-uninstall", "ubuntu-drivers", "nv-fabricmanager",
})  # fmt: skip
"""Programs that are there only when a package brings them."""
FOREIGN: Final = {
    "apt": frozenset({"dnf", "rpm", "dracut", "curl", "mkfs.xfs"}),
    "dnf": frozenset({"apt-get", "apt-cache", "apt-mark", "dpkg", "dpkg-query", "update-initramfs"}),
}
"""What machines of one family do not have."""
REAL: Final = (
    "[", "awk", "base64", "basename", "bash", "cat", "chmod", "cksum", "cmp", "comm", "cp", "cut", "diff",
    "dirname", "du", "echo", "env", "expr", "false", "find", "flock", "fold", "grep", "gzip", "head", "iconv",
    "install", "ln", "ls", "mkdir", "mkfifo", "mktemp", "mv", "nl", "nproc", "od", "paste", "printf", "ps",
    "pwd", "readlink", "realpath", "rm", "rmdir", "sed", "seq", "setsid", "sh", "sha256sum", "sort", "stat",
    "sync", "tac", "tail", "tar", "tee", "test", "timeout", "touch", "tr", "true", "tty", "uniq", "wc", "which",
    "xargs", "yes",
)  # fmt: skip
"""What the real machine lends: tools without a state of their own."""
_ANSWERS: Final = {
    "uname": """\
read -r kernel <"$machine/root/proc/sys/kernel/osrelease"
case ${1--s} in
-r) echo "$kernel" ;; -m | -p | -i) echo x86_64 ;; -s) echo Linux ;; -n) cat "$machine/root/etc/hostname" ;;
-a) echo "Linux $(cat "$machine/root/etc/hostname") $kernel #1 SMP x86_64 GNU/Linux" ;;
*) echo "uname: invalid option: $1" >&2; exit 1 ;;
esac
""",
    "hostname": 'cat "$machine/root/etc/hostname"\n',
    "id": """\
user=${GPU_READY_USER-root} number=1000
[ "$user" != root ] || number=0
case ${1-} in
-u) echo "$number" ;; -un) echo "$user" ;; -g) echo "$number" ;; -gn) echo "$user" ;;
*) echo "uid=$number($user) gid=$number($user) groups=$number($user)" ;;
esac
""",
    "whoami": 'echo "${GPU_READY_USER-root}"\n',
    "chown": "exit 0\n",
    "df": """\
free=81920000
[ ! -e "$machine/free" ] || read -r free <"$machine/free"
echo 'Filesystem     1024-blocks     Used Available Capacity Mounted on'
for name; do case $name in -*) ;; *) echo "/dev/sda1        102400000 20480000  $free      20% /" ;; esac; done
""",
    "systemd-detect-virt": "echo none\nexit 1\n",
    "udevadm": "exit 0\n",
    "sha1sum": f"""\
{shutil.which("tee")} "$machine/.hashed.$$" | {shutil.which("sha1sum")} >"$machine/.sum.$$"
known=$(grep -aoE 'rehearsal key [0-9A-F]{{40}}' "$machine/.hashed.$$" | cut -d' ' -f3 | tr A-F a-f)
if [ -n "$known" ]; then echo "$known  -"; else cat "$machine/.sum.$$"; fi
rm -f "$machine/.hashed.$$" "$machine/.sum.$$"
""",
}
"""Names with a short answer, as shell; `$machine` is the folder of the machine."""
SHELL: Final = (shutil.which("bash") or "/bin/sh", "-c")
"""What sshd gives a command to: the log-in shell, which is bash on these distributions."""


@cache
def launcher() -> str:
    """The start of every stand-in: Python without site and environment is there in a blink."""
    start = [sys.executable if sys.prefix == sys.base_prefix else _base(), "-I", "-S"]
    return shlex.join([*start, str(REPOSITORY / "lab/host/standins/__main__.py"), str(REPOSITORY)])


def _base() -> str:
    """The interpreter behind the virtual environment: it need not look for it."""
    return str(getattr(sys, "_base_executable", sys.executable))


def install(folder: Path, manager: str = "apt") -> None:
    """Fills the folder that is the machine's PATH."""
    folder.mkdir()
    _program(folder / ".standin", f'exec {launcher()} "$@"\n')
    _program(folder / ".tool", f'exec {launcher()} "${{0%/bin/*}}" "${{0##*/}}" "$@"\n')
    for name in MODULES.keys() - BROUGHT - FOREIGN[manager]:
        (folder / name).symlink_to(".tool")
    for name, text in _ANSWERS.items():
        _program(folder / name, f"machine=${{0%/bin/*}}\n{text}")
    for name, found in _real().items():
        (folder / name).symlink_to(found)


@cache
def _real() -> dict[str, str]:
    """Where the tools are that this machine lends."""
    found = {name: shutil.which("dash") if name == "sh" else None for name in REAL}
    found = {name: path or shutil.which(name) for name, path in found.items()}
    return {name: path for name, path in found.items() if path}


def _program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}")
    path.chmod(0o755)
