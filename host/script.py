"""The texts that go to a host: the only place that composes and quotes them.

The bundle is what `host/*.sh` say, addressed by its hash; the `tools` step puts it on the host. The text of each other
step holds its values and one call into the bundle, so that a difference between two texts shows values and nothing
else. Texts are the same on every machine: nothing but these files and the values goes into them.

A text stands in the state twice, so the bundle travels packed. What packs it is not the same everywhere (there are
several zlibs), which would be a change for every colleague: it is packed once, into `packed.txt`. After a change of a
script, `python -m host.script` packs it anew; a test knows when that was forgotten.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from decide.host_login import is_line

HERE = Path(__file__).resolve().parent
PACKED = HERE / "packed.txt"
NAME = re.compile(r"GR_[A-Z][A-Z0-9_]*")
HASH = re.compile(r"[0-9a-f]{16}")
END = "GR_END"

Value = str | int | bool | Sequence[str]


class Bundle(NamedTuple):
    """The scripts of all steps: under which hash they lie on the host, and the text that brings them there."""

    hash: str
    text: str


UNPACK = 'unpack() { cat >"$1"; }\n'
ALIKE = "lib.sh tools.sh facts.sh card.sh apt.sh toolkit.sh call.sh driver.sh check.sh reboot.sh runtime.sh"
"""An order in which they pack well: what is alike stands together."""
WAYS = ("root", "passwordless", "password")
"""How whoever logs in becomes root; `call.sh` knows what each takes."""
NEVER_STEPS = ("lib", "apt", "card", "call", "tools")
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


def bundle() -> Bundle:
    """All scripts, without what only a reader needs."""
    return _bundle(HERE)


def steps() -> list[str]:
    """The names of the steps whose scripts lie in the bundle."""
    return [path.stem for path in _sources(HERE) if path.stem not in NEVER_STEPS]


def step_text(
    step: str, values: Mapping[str, Value], bundle_hash: str, way: str = "root", password: str | None = None
) -> str:
    """What goes to `sh -s apply` and `sh -s remove`, for a step whose script lies on the host already."""
    if step not in steps():
        raise ValueError(f"no step {step!r}: {', '.join(steps())}")
    if not HASH.fullmatch(bundle_hash):
        raise ValueError(f"no hash of a bundle: {bundle_hash!r}")
    return CALL.format(hash=bundle_hash, step=step, way=way, values=_told(values, way, password), end=END)


def tools_text(values: Mapping[str, Value], way: str = "root", password: str | None = None) -> str:
    """The first step: it carries the bundle, and puts it where the others find it."""
    return _unpacked("tools", {**values, "GR_BUNDLE": bundle().hash}, way, password)


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
    return UNPACKED.format(bundle=bundle().text, step=step, way=way, values=told, end=END)


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


@cache
def _bundle(folder: Path) -> Bundle:
    scripts = sources(folder)
    digest = hashlib.sha256("".join(f"{name}\n{text}" for name, text in scripts.items()).encode()).hexdigest()[:16]
    known, _, text = PACKED.read_text(encoding="ascii").partition("\n") if PACKED.exists() else ("", "", "")
    return Bundle(digest, text if known == digest else pack(scripts))


def sources(folder: Path) -> dict[str, str]:
    """What the scripts say to a shell, by their names; without what only a reader needs."""
    return {path.name: stripped(path.read_text(encoding="utf-8")) for path in _sources(folder)}


def pack(scripts: Mapping[str, str], squeeze: Callable[[bytes], bytes] | None = None) -> str:
    """A script that writes these files, packed, in lines."""
    order = sorted(scripts, key=lambda name: (name not in ALIKE, ALIKE.find(name)))
    parts = "".join(f"unpack {name} <<'{END}'\n{scripts[name]}{END}\n" for name in order)
    squeezed = (squeeze or squeeze_as_usual)((UNPACK + parts).encode())
    return "".join(f"{line}\n" for line in textwrap.wrap(base64.b64encode(squeezed).decode(), 4000))


def squeeze_as_usual(data: bytes) -> bytes:
    """What every Python can do; the file in the repository is packed by one that takes its time."""
    return gzip.compress(data, 9, mtime=0)


def _sources(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.sh"), key=lambda path: path.name.encode())


def stripped(source: str) -> str:
    """A script without comments, blank lines and indentation."""
    lines = [line.strip() for line in source.splitlines()]
    return "".join(f"{line}\n" for line in lines if line and not line.startswith("#"))


if __name__ == "__main__":
    import zopfli.gzip

    made = sources(HERE)
    PACKED.unlink(missing_ok=True)
    PACKED.write_text(f"{_bundle(HERE).hash}\n{pack(made, zopfli.gzip.compress)}", encoding="ascii")
