"""How often machines were bothered, simulated or real."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from lab.provider import Props


@dataclass
class Contacts:
    """How often a machine was bothered."""

    dials: int = 0
    scripts: int = 0
    copies: int = 0


class Visits:
    """How often each machine was bothered; both kinds of remote commands count alike."""

    def __init__(self) -> None:
        self.contacts: dict[str, Contacts] = {}
        """By address; one that is missing was not even dialed."""
        self._lock = threading.Lock()

    @property
    def connections(self) -> int:
        """All dials so far."""
        return sum(one.dials for one in self.contacts.values())

    def count(self, connection: Props, dials: int = 0, scripts: int = 0, copies: int = 0) -> None:
        """Adds to those of one machine."""
        with self._lock:
            contacts = self.contacts.setdefault(connection["host"], Contacts())
            contacts.dials += dials
            contacts.scripts += scripts
            contacts.copies += copies
