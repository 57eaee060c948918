"""Where things lie: what is kept between runs, what a run makes, and names that no other run has."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

CACHE: Final = "GPU_READY_LAB_CACHE"
HERE: Final = Path(__file__).resolve().parent


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
    return whole.hexdigest()[:12]


def kept(name: str, make: Callable[[Path], None], say: Callable[[str], None] = print) -> Path:
    """A folder in the cache, made once: in a folder beside it, and moved when it is whole."""
    place = cache() / name
    with _alone(name):
        if place.exists():
            return place
        began, fresh = time.monotonic(), place.with_name(f"{name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        make(fresh)
        fresh.rename(place)
        say(f"lab: made {name} in {time.monotonic() - began:.0f} s")
    return place


@contextmanager
def _alone(name: str) -> Iterator[None]:
    """Two runs that need the same thing make it once."""
    with (cache() / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
