"""Which validation Jobs there are: one for each declared node, one for a selector."""

import hashlib
import re
from collections.abc import Sequence
from typing import NamedTuple

LONGEST = 40  # a Job's name becomes a label value of at most 63 characters, with our prefix and a random suffix


class Slot(NamedTuple):
    """One validation Job: its short name, and the node that it is meant for (none: any that the selector finds)."""

    name: str
    node: str | None


def slots(nodes: Sequence[str]) -> list[Slot]:
    """A Job per declared node; without declared nodes one Job for whichever node the selector finds."""
    return [Slot(short_name(node), node) for node in nodes] or [Slot("any", None)]


def short_name(node: str) -> str:
    """The node's name as part of an object name: unchanged if it fits, else shortened and still distinct."""
    plain = re.sub(r"[^a-z0-9-]", "-", node.lower())
    if plain == node and len(node) <= LONGEST:
        return node
    digest = hashlib.sha256(node.encode()).hexdigest()[:6]
    return f"{plain[: LONGEST - 7].strip('-')}-{digest}"
