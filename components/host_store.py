"""What the instance store of a host may be for."""

from enum import Enum
from typing import Any

from components.choices import text


class InstanceStore(str, Enum):
    """What disks of its own, which a stopped machine loses, are for."""

    NONE = "none"
    """They are left alone."""
    CONTAINERS = "containers"
    """What the container runtime keeps lies there; pods of the host end and start again, once."""


def is_used(given: Any) -> bool:
    """Whether it is for something: said only then, so that other hosts stay as they are."""
    return text(given) not in (None, "none")
