"""The disk of one host: what is written on it before it first boots, and what lasts on it, compared with its image.

The snapshot has the form of `lab.host.machine`'s; of the files it holds those that differ from the image.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

from lab.real.hosts.image import ADMIN

Snapshot = dict[str, tuple[str, str]]
PASSING: Final = ("/proc", "/sys", "/run", "/dev", "/tmp", "/var/tmp", "/var/lib/apt/lists", "/var/cache", "/var/log",
                  "/boot/initrd.img-")  # fmt: skip
"""What no comparison looks at: it does not last, is a cache, or is made anew each time with other dates in it."""
OF_OTHERS: Final = {
    "/etc/ld.so.cache": "the linker's cache, made anew by each package with a library",
    "/var/lib/dpkg/lock": "dpkg's own", "/var/lib/dpkg/lock-frontend": "dpkg's own",
    "/var/lib/dpkg/triggers/Lock": "dpkg's own", "/var/lib/dpkg/triggers/Unincorp": "dpkg's own",
    "/var/lib/dpkg/status-old": "dpkg's backup", "/var/lib/dpkg/diversions-old": "dpkg's backup",
    "/var/lib/dpkg/available": "dpkg's own", "/var/lib/dpkg/available-old": "dpkg's backup",
    "/var/lib/systemd/random-seed": "changes with each boot", "/root/.rnd": "openssl's",
    "/etc/passwd-": "a backup of shadow's tools", "/etc/group-": "a backup", "/etc/shadow-": "a backup",
    "/etc/gshadow-": "a backup", f"/home/{ADMIN}/.cache": "Ubuntu's greeting was shown",
    f"/home/{ADMIN}/.cache/motd.legal-displayed": "Ubuntu's greeting was shown",
    "/var/lib/dpkg/status": "compared package by package",
    "/var/lib/apt/extended_states": "compared package by package",
}  # fmt: skip
"""Files of the system's own that change whatever is installed and removed, with the reason."""
_OPAQUE: Final = "trusted.overlay.opaque"


class Disk:
    """The layer of one host over its image."""

    def __init__(self, folder: Path, image: Path) -> None:
        self.upper, self.image = folder / "upper", image

    def put(self, path: str, text: str, mode: int = 0o644, owner: tuple[int, int] = (0, 0)) -> None:
        """Writes a file before the first boot; folders that the image has keep their mode and owner."""
        file = self.upper / path
        self._folder(file.parent.relative_to(self.upper), owner)
        file.write_text(text)
        file.chmod(mode)
        os.chown(file, *owner)

    def link(self, path: str, target: str) -> None:
        """Makes a link before the first boot."""
        file = self.upper / path
        self._folder(file.parent.relative_to(self.upper), (0, 0))
        file.symlink_to(target)

    def _folder(self, path: Path, owner: tuple[int, int]) -> None:
        place, below = self.upper / path, self.image / path
        if place.exists():
            return
        if path.parts:
            self._folder(path.parent, owner)
        place.mkdir(parents=True)
        if below.exists():
            shutil.copystat(below, place)
            owner = (below.stat().st_uid, below.stat().st_gid)
        else:
            place.chmod(0o700)
        os.chown(place, *owner)

    def snapshot(self) -> Snapshot:
        """What differs from the image and lasts."""
        found: Snapshot = {}
        for path, was, now in self._pairs():
            if not path.startswith(PASSING) and path.rstrip("/") not in OF_OTHERS and was != now:
                found[path] = now or ("", "gone")
        return found

    def _pairs(self) -> Iterator[tuple[str, tuple[str, str] | None, tuple[str, str] | None]]:
        for folder, folders, files in os.walk(self.upper):
            inside = folder.removeprefix(str(self.upper))
            if inside.startswith(PASSING):
                folders.clear()
                continue
            below = self.image / inside.lstrip("/")
            if inside:
                yield f"{inside}/", _seen(below), _seen(Path(folder))
            for name in files:
                file = Path(folder, name)
                yield f"{inside}/{name}", _seen(below / name), None if _is_whiteout(file) else _seen(file)
            if _is_opaque(folder):
                yield from _hidden(inside, below, {*folders, *files})


def _hidden(inside: str, below: Path, there: set[str]) -> Iterator[tuple[str, tuple[str, str] | None, None]]:
    """What the image has in a folder that was made anew."""
    for one in below.iterdir() if below.is_dir() else ():
        if one.name not in there:
            yield f"{inside}/{one.name}", _seen(one), None


def _seen(path: Path) -> tuple[str, str] | None:
    try:
        status = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    mode = oct(status.st_mode & 0o7777)
    if stat.S_ISLNK(status.st_mode):
        return mode, f"-> {path.readlink()}"
    if stat.S_ISREG(status.st_mode):
        return mode, sha256(path.read_bytes()).hexdigest()
    return mode, "folder" if stat.S_ISDIR(status.st_mode) else "special"


def _is_whiteout(file: Path) -> bool:
    status = file.lstat()
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def _is_opaque(folder: str) -> bool:
    try:
        return os.getxattr(folder, _OPAQUE) == b"y"
    except OSError:
        return False
