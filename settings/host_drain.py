"""What happens to the pods of a host that goes down."""

from dataclasses import dataclass
from typing import Any

from decide import defaults
from settings.kinds import Choice, Count, Flag, setting


@dataclass(frozen=True)
class Drain:
    """What happens to the pods of a host that is rebooted or gets another driver: `kubectl drain`, then uncordon."""

    enabled: bool = setting(
        Flag(),
        "enabled: false",
        "`false`: a host goes down with its pods. Else they are evicted first, as their PodDisruptionBudgets allow.",
        True,
    )
    timeout_seconds: int = setting(
        Count(defaults.SHORTEST_TIMEOUT_SECONDS, defaults.LONGEST_TIMEOUT_SECONDS, "seconds"),
        f"timeoutSeconds: {defaults.DRAIN_SECONDS}",
        "How long it may take; then the node is opened again, and nothing is done to the host.",
        defaults.DRAIN_SECONDS,
    )
    at_once: int = setting(
        Count(1, 1000),
        "atOnce: 1",
        "How many nodes in use may be away at a time. Who stays up, or has neither pods nor a driver, does not wait.",
        defaults.DRAINS_AT_ONCE,
    )
    empty_dir: str = setting(
        Choice(defaults.EMPTY_DIRS),
        "emptyDir: delete",
        "What becomes of pods with files in an emptyDir, which go with them.",
        defaults.EMPTY_DIRS[0],
    )

    def args(self) -> dict[str, Any]:
        """For the component, where it is not the usual."""
        return {} if self == Drain() else {"drain": dict(vars(self))}

    def wish(self) -> dict[str, Any]:
        """What the plan of a host has to know of it."""
        return {} if self.enabled else {"drain": False}
