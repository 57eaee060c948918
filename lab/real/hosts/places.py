"""Where things lie: what is kept between runs, what a run makes, and names that no other run has."""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Final, TextIO

CACHE: Final = "GPU_READY_LAB_CACHE"
HERE: Final = Path(__file__).resolve().parent
LETTERS: Final = 12
"""Of the key in the name of an entry."""
UNUSED_SECONDS: Final = 24 * 3600
_IN_USE: Final[dict[Path, TextIO]] = {}
"""What this process works with, and the open files that say so."""


@atexit.register
def _let_go() -> None:
    for lock in _IN_USE.values():
        lock.close()


def cache() -> Path:
    """Kept between runs, outside the checkout."""
    folder = Path(os.environ.get(CACHE) or "~/.cache/gpu-ready-lab").expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def key_of(*parts: str | bytes) -> str:
    """A name for what is made from these."""
    whole = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        whole.update(hashlib.sha256(data).digest())
    return whole.hexdigest()[:LETTERS]


def kept(name: str, make: Callable[[Path], None], say: Callable[[str], None] = print) -> Path:
    """A folder in the cache, made once: in a folder beside it, and moved when it is whole.

    This process holds a lock on it from then on, so that nobody prunes what somebody works with.
    """
    place = cache() / name
    if place in _IN_USE and place.exists():
        return place
    lock = _locked(name, fcntl.LOCK_SH)
    try:
        if not place.exists():
            # Alone: two runs that need the same thing make it once.
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not place.exists():
                _made(place, make, say)
            fcntl.flock(lock, fcntl.LOCK_SH)
        os.utime(lock.name)
    except BaseException:
        lock.close()
        raise
    _IN_USE[place] = lock
    return place


def _made(place: Path, make: Callable[[Path], None], say: Callable[[str], None]) -> None:
    began, fresh = time.monotonic(), place.with_name(f"{place.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    make(fresh)
    fresh.rename(place)
    say(f"lab: made {place.name} in {time.monotonic() - began:.0f} s")


def _locked(name: str, how: int) -> TextIO:
    """The open file that holds the lock on an entry; the lock's own file stays for ever."""
    file = (cache() / f"{name}.lock").open("a")
    try:
        fcntl.flock(file, how)
    except BaseException:
        file.close()
        raise
    return file


def prune(families: Iterable[str], wanted: Collection[str], say: Callable[[str], None] = print) -> None:
    """Takes away entries of these families that no recipe names any more, nobody works with, and nobody used today.

    The last is for other checkouts on this machine, whose recipes nobody here knows.
    """
    named = re.compile(rf"((?:{'|'.join(map(re.escape, families))})-[0-9a-f]{{{LETTERS}}})(\.new|\.gone)?")
    for place in sorted(cache().iterdir()):
        found = named.fullmatch(place.name)
        # What has such an ending was left half-way.
        if found and place.is_dir() and (found[2] or found[1] not in wanted):
            _prune(place, found[1], say)


def _prune(place: Path, name: str, say: Callable[[str], None]) -> None:
    files = (place, cache() / f"{name}.lock")
    if time.time() - max(one.stat().st_mtime for one in files if one.exists()) < UNUSED_SECONDS:
        return
    try:
        lock = _locked(name, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    with lock:
        gone = place.with_name(f"{name}.gone")
        if gone != place:
            shutil.rmtree(gone, ignore_errors=True)
            place.rename(gone)  # at once, so that nobody finds half of it
        shutil.rmtree(gone)
        say(f"lab: took away {place.name}, which nothing here is made of any more")
