"""The texts that go to a host: the only place that composes and quotes them.

The bundle is what `host/*.sh` say, addressed by its hash. It goes to the host as a file, of which a state knows nothing
but the path and the checksum, into a folder of whoever logs in; the `tools` step takes it from there to where only root
writes, and looks at the checksum before anything of it runs. The text of each other step holds its values and one call
into the bundle, so that a difference between two texts shows values and nothing else. Texts are the same on every
machine: nothing but these files and the values goes into them.

What packs the bundle is not the same everywhere (there are several zlibs), which would be a change for every colleague:
it is packed once, into `bundle.gz`. After a change of a script, `python -m host.script` packs it anew.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
import textwrap
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from decide.host_login import is_line

HERE = Path(__file__).resolve().parent
PACKED = HERE / "bundle.gz"
NAME = re.compile(r"GR_[A-Z][A-Z0-9_]*")
HASH = re.compile(r"[0-9a-f]{16}")
FOLDER_NAME = re.compile(r"\.gpu-ready-[0-9a-f]{8}")
CALLS = 'root sh "'
"""How that line of `call.sh` begins which calls the step; what stands before it becomes root."""
END = "GR_END"

Value = str | int | bool | Sequence[str]


class Bundle(NamedTuple):
    """The scripts of all steps: under which hash they lie on the host, and the file that brings them there."""

    hash: str
    packed: bytes

    @property
    def checksum(self) -> str:
        """Of the file, as `sha256sum` says it."""
        return hashlib.sha256(self.packed).hexdigest()


UNPACK = 'unpack() { cat >"$1"; }\n'
ALIKE = (
    "lib.sh tools.sh facts.sh card.sh packages.sh apt.sh rpm.sh toolkit.sh call.sh driver.sh driver_load.sh "
    "driver_extras.sh driver_run.sh check.sh reboot.sh "
    "node.sh join.sh join_back.sh runtime.sh runtime_containerd.sh runtime_rancher.sh runtime_k0s.sh runtime_docker.sh "
    "store.sh store_disks.sh"
)
"""An order in which they pack well: what is alike stands together."""
WAYS = ("root", "passwordless", "password")
"""How whoever logs in becomes root; `call.sh` knows what each takes."""
NEVER_STEPS = ("lib", "packages", "apt", "rpm", "card", "call", "node", "tools")
PART = "_"
"""Stands in the name of what is a part of a step."""
# In braces, so that a shell reads all of it before it begins: half a script does nothing. It stands in the state twice
# for each step of each host, so all that can lie on the host does.
CALL = """\
{{
B=${{GPU_READY_ROOT-}}/var/lib/gpu-ready
[ "$1" = apply ] || [ -e "$B/record" ] || exit 0
[ -e "$B/{hash}" ] || {{ echo HST-75 >&2; exit 3; }}
sh "$B/{hash}/call.sh" {way} {step} "$1" <<'{end}'
{values}{end}
exit
}}
"""
# Nothing is sent to a machine that was never seen: the first time leaves this folder, and the tools leave theirs.
FOLDER = """\
{{
: look {look}
export LC_ALL=C
if [ "$1" = remove ]; then
cd 2>/dev/null || exit 0
rm -rf {folder}
else
cd || exit 1
[ "$1" = apply ] || [ -e {folder} ] || [ -e "${{GPU_READY_ROOT-}}/var/lib/gpu-ready" ] || {{ echo HST-70 >&2; exit 3; }}
umask 077
mkdir -p {folder}
fi
exit
}}
"""
# Whoever logs in reads the file and root reads what that says: in some homes (NFS) root may read nothing. Values come
# before it, to a mark; a shell reads no further than the line that it was asked for. Two folders are in no state
# that would take them back: of who held this machine before us; ours, where another address led to another's machine.
TOOLS = """\
{{
[ "$1" != remove ] || [ -e "${{GPU_READY_ROOT-}}/var/lib/gpu-ready" ] || exit 0
V=$1
R=${{GPU_READY_ROOT-}}
of() {{
read -r I H _ <"$R/var/lib/gpu-ready/$1" && grep -q "^$(echo "$I" | cut -c1-12)" "$R/etc/machine-id" &&
echo ".gpu-ready-$(printf %s "$H" | sha256sum | cut -c1-8)"
}} 2>/dev/null
W=$(of claim)
{{
set -- {way}
{root}
{{ cat; echo {end}; cat ~/{folder}/bundle; }} 2>/dev/null | root sh -c '{take}' sh "$V"
}} <<'{end}'
{values}{end}
S=$?
case $V,$(of machine) in
remove,*) ;;
*,{folder}) [ "${{W:-{folder}}}" = {folder} ] || rm -rf ~/"$W" ;;
again,?*) [ "$S" = 0 ] || rm -rf ~/{folder} ;;
esac
exit $S
}}
"""
TAKE = """\
umask 077
R=${{GPU_READY_ROOT-}}
B=$(mktemp -d "$R/run/gpu-ready.XXXXXX") && cd "$B" || exit 1
leave() {{ rm -rf "$B"; }}
trap leave EXIT
trap "exit 1" HUP INT TERM
T=
while IFS= read -r L && [ "$L" != {end} ]; do
T="$T$L
"
done
cat >bundle || {{ printf "HST-32 packages: no room in /run\\nfix: make some: df /run\\n" >&2; exit 3; }}
sent() {{ [ "$(sha256sum <bundle)" = "{checksum}  -" ]; }}
sent || cp "$R/var/lib/gpu-ready/{hash}/bundle" bundle 2>/dev/null
sent || {{ echo HST-75 >&2; exit 3; }}
gzip -dc bundle >unpack && sh unpack || exit 1
printf %s "$T" | sh "$B/tools.sh" "$1"
"""
UNPACKED = """\
{{
umask 077
B=$(mktemp -d "${{GPU_READY_ROOT-}}/tmp/gpu-ready.XXXXXX") && cd "$B" || exit 1
trap 'rm -rf "$B"' EXIT
trap 'exit 1' HUP INT TERM
base64 -d <<'{end}' | gzip -dc >unpack && sh unpack || exit 1
{bundle}{end}
sh "$B/call.sh" {way} {step} "$1" <<'{end}'
{values}{end}
exit
}}
"""


@cache
def bundle() -> Bundle:
    """All scripts, without what only a reader needs, as they were packed last."""
    scripts, packed = sources(HERE), PACKED.read_bytes() if PACKED.exists() else b""
    if not packed or gzip.decompress(packed) != unpacking(scripts):
        raise ValueError(f"{PACKED.name} is not made of the scripts beside it. Right: python -m host.script")
    return Bundle(digest(scripts), packed)


def packed_path() -> str:
    """Where the file is: from the project, if it lies there, in words that are the same for each colleague."""
    near = Path(HERE.name) / PACKED.name
    return near.as_posix() if near.exists() and near.samefile(PACKED) else str(PACKED)


def folder_of(owner: str) -> str:
    """Where the file goes, in the home of whoever logs in: a folder that no other stack or host name has."""
    return f".gpu-ready-{hashlib.sha256(owner.encode()).hexdigest()[:8]}"


def folder_text(folder: str, look: int = 1) -> str:
    """Makes that folder, which nobody else can look into, and takes it away with all that is in it."""
    return FOLDER.format(folder=_named(folder), look=look)


def steps() -> list[str]:
    """The names of the steps whose scripts lie in the bundle."""
    return [path.stem for path in _sources(HERE) if path.stem not in NEVER_STEPS and PART not in path.stem]


def step_text(
    step: str, values: Mapping[str, Value], bundle_hash: str, way: str = "root", password: str | None = None
) -> str:
    """What goes to `sh -s apply` and `sh -s remove`, for a step whose script lies on the host already."""
    if step not in steps():
        raise ValueError(f"no step {step!r}: {', '.join(steps())}")
    if not HASH.fullmatch(bundle_hash):
        raise ValueError(f"no hash of a bundle: {bundle_hash!r}")
    return CALL.format(hash=bundle_hash, step=step, way=way, values=_told(values, way, password), end=END)


def tools_text(values: Mapping[str, Value], folder: str, way: str = "root", password: str | None = None) -> str:
    """The first step as root: it takes the bundle out of that folder, and puts it where the others find it."""
    known = {"hash": bundle().hash, "checksum": bundle().checksum, "end": END}
    told = _told({**values, "GR_BUNDLE": bundle().hash}, way, password)
    root, _, _ = sources(HERE)["call.sh"].partition(CALLS)
    return TOOLS.format(way=way, root=root, folder=_named(folder), take=TAKE.format(**known), values=told, end=END)


def look_text(values: Mapping[str, Value], way: str = "root", password: str | None = None) -> str:
    """The facts of a host that may never have seen us: the scripts lie in a folder that is gone at the end."""
    return _unpacked("facts", values, way, password)


def quote(value: str | int | bool) -> str:
    """One argument for any shell, whatever is in it; ValueError for what no shell or engine could carry."""
    text = ("1" if value else "") if isinstance(value, bool) else str(value)
    if not text.isprintable():
        raise ValueError("only printable characters can go to a host")  # never the value: it may be a secret
    return "'" + text.replace("'", "'\\''") + "'"


def _unpacked(step: str, values: Mapping[str, Value], way: str, password: str | None) -> str:
    told = _told(values, way, password)
    lines = textwrap.wrap(base64.b64encode(bundle().packed).decode(), 4000)
    carried = "".join(f"{line}\n" for line in lines)
    return UNPACKED.format(bundle=carried, step=step, way=way, values=told, end=END)


def _named(folder: str) -> str:
    if not FOLDER_NAME.fullmatch(folder):
        raise ValueError(f"no folder of ours: {folder!r}")
    return folder


def _told(values: Mapping[str, Value], way: str, password: str | None) -> str:
    """The lines that a step gets by stdin. What is empty is not sent: to the scripts it is the same."""
    if way not in WAYS or (way == "password") != (password is not None):
        raise ValueError(f"the way to root is {way!r} {'with' if password is not None else 'without'} a password")
    first = [] if password is None else [_one_line(password)]
    lines = [line for name in sorted(values) for line in _assigned(name, values[name])]
    return "".join(f"{line}\n" for line in [*first, *lines])


def _one_line(password: str) -> str:
    if not is_line(password):
        raise ValueError("that password cannot go to a host as one line")  # never the value
    return password


def _assigned(name: str, value: Value) -> list[str]:
    """NAME='value'; of a list how many there are, then NAME_1='...' and so on, so that nobody has to split them."""
    if not NAME.fullmatch(name):
        raise ValueError(f"no name of a value: {name!r}")
    if isinstance(value, (str, int)):
        quoted = quote(value)
        return [f"{name}={quoted}"] if quoted != "''" else []
    many = [f"{name}_{number}={quote(one)}" for number, one in enumerate(value, 1)]
    return [f"{name}={quote(len(many))}", *many]


def digest(scripts: Mapping[str, str]) -> str:
    """What they say, in one word; `fingerprint` of lib.sh finds the same on the host."""
    return hashlib.sha256("".join(f"{name}\n{text}" for name, text in scripts.items()).encode()).hexdigest()[:16]


def sources(folder: Path) -> dict[str, str]:
    """What the scripts say to a shell, by their names; without what only a reader needs."""
    return {path.name: stripped(path.read_text(encoding="utf-8")) for path in _sources(folder)}


def unpacking(scripts: Mapping[str, str]) -> bytes:
    """A script that writes these files."""
    order = sorted(scripts, key=lambda name: (name not in ALIKE, ALIKE.find(name)))
    parts = "".join(f"unpack {name} <<'{END}'\n{scripts[name]}{END}\n" for name in order)
    return (UNPACK + parts).encode()


def _sources(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.sh"), key=lambda path: path.name.encode())


def stripped(source: str) -> str:
    """A script without comments, blank lines and indentation."""
    lines = [line.strip() for line in source.splitlines()]
    return "".join(f"{line}\n" for line in lines if line and not line.startswith("#"))


if __name__ == "__main__":
    import zopfli.gzip

    PACKED.write_bytes(zopfli.gzip.compress(unpacking(sources(HERE))))
