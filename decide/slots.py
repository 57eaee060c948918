"""Which nodes a stack is about: its validation Jobs, and the labels that lead a workload there."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from decide import defaults

LONGEST_MANAGER = 128  # of a field manager, by the API server
LONGEST = 63  # a Job's name becomes a label value
SUFFIX = 9  # a dash and eight random characters, from the engine's automatic naming
ROOM = 39  # what is left beside the usual name of the component


class Slot(NamedTuple):
    """One validation Job: its short name, and the node that it is meant for (none: any that the selector finds)."""

    name: str
    node: Any  # a name, or where it is found out later an output of Pulumi


def room_beside(component: str) -> int:
    """How long the short name of a node may be in the name of a Job of this component."""
    return LONGEST - SUFFIX - len(component) - 1


def slots(nodes: Sequence[str], room: int = ROOM) -> list[Slot]:
    """A Job per declared node; without declared nodes one Job for whichever node the selector finds."""
    return [Slot(short_name(node, room), node) for node in nodes] or [Slot("any", None)]


def short_name(node: str, room: int = ROOM) -> str:
    """The node's name as part of an object name: unchanged if it fits, else shortened and still distinct."""
    plain = re.sub(r"[^a-z0-9-]", "-", node.lower())
    if plain == node and len(node) <= room:
        return node
    return f"{plain[: room - 7].strip('-')}-{_digest(node, 6)}"


def field_manager(owner: str) -> str:
    """Under which name the API server notes a host's label as ours: the same for one that was taken out and is back.

    Every gpu-ready knows by its beginning that it is one of us; a server takes 128 characters.
    """
    plain = f"gpu-ready:{owner}"
    return plain if len(plain) <= LONGEST_MANAGER else f"{plain[: LONGEST_MANAGER - 13]}-{_digest(owner, 12)}"


def _digest(text: str, length: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def workload_selector(declared: Mapping[str, str], installs: bool) -> dict[str, str]:
    """Labels by which a workload finds GPU nodes: the declared ones, else the one that our operator writes.

    Beside an external operator or plugin no label is sure; asking for a card is enough there.
    """
    return dict(declared) or (dict(defaults.GPU_NODE_SELECTOR) if installs else {})
