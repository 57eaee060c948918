"""How the world was before the first `up`: kept to say after `destroy` what stays."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lab.world import WholeWorld


@dataclass(frozen=True)
class Remainder:
    """What differs from the world's start when all was taken back."""

    expected: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    hosts: Mapping[str, int] = field(default_factory=dict)
    """Hosts that are as they were, and how many things were compared."""
    switched: bool = False
    """Whether the user turned switches of the world meanwhile: those differences are not ours."""
    unknown: str = ""
    """Why nothing can be said."""


class Beginning:
    """Two files in the folder of a stack."""

    def __init__(self, folder: Path) -> None:
        self.path, self._switched = folder / "start.json", folder / "switched"

    def is_kept(self) -> bool:
        """Whether an `up` began."""
        return self.path.exists()

    def keep(self, world: WholeWorld) -> None:
        """Notes how the world is, at the first time."""
        if not self.is_kept():
            fresh = self.path.with_name(f"{self.path.name}.new")
            fresh.write_text(json.dumps(world.snapshot()), encoding="utf-8")
            fresh.replace(self.path)

    def switched(self) -> None:
        """Notes that the user turned a switch meanwhile."""
        if self.is_kept():
            self._switched.touch()

    def compared(self, world: Callable[[], WholeWorld]) -> Remainder:
        """What is in the world now and was not then."""
        try:
            before = _shot(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            return Remainder(unknown=f"{self.path} cannot be read ({error}); delete it, and the next up notes it anew")
        now = world()
        after = now.snapshot()
        unexpected = now.unexpected(before, after)
        expected = [line for line in now.remainder(before, after) if line not in unexpected]
        hosts: Mapping[str, int] = getattr(now, "unchanged", lambda *_: {})(before, after)
        return Remainder(tuple(expected), tuple(unexpected), hosts, self._switched.exists())


def _shot(text: str) -> dict[str, Any]:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("it is JSON, but no snapshot")
    return found
