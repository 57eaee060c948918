"""The rules about `gpu.allocation: dra`, and what is said of it before anything is made."""

from collections.abc import Iterator, Mapping
from typing import Any

from decide import defaults
from decide.ownership_dra import DEVICE_PLUGIN, DRA
from settings.faults import FIX, Fault
from settings.kinds import BROKEN

TWO_ON_A_CARD = "leave sharing out: two pods that name the same ResourceClaim share its card"


def asked(config: Any) -> bool:
    """Whether cards shall be handed out by claims."""
    return bool(config.gpu.allocation == DRA)


def told(config: Any) -> tuple[str, ...]:
    """What the DRA driver does not do."""
    if not asked(config):
        return ()
    from decide.dra_values import NOT_DONE  # what a stack does not use, its start shall not pay for

    return NOT_DONE


def charts(config: Any) -> Iterator[tuple[str, str, str, Mapping[str, Any]]]:
    """Where values of the driver's chart stand, which chart that is, and in which version."""
    wish = config.gpu.dra_driver
    if wish is not BROKEN and wish.values is not BROKEN:
        version = defaults.DRA_VERSION if wish.version in (None, BROKEN) else wish.version
        yield "gpu.draDriver", defaults.DRA_RELEASE, version, wish.values


def faults(config: Any, given: set[str]) -> Iterator[Fault]:
    """What does not go together, and what this release does not do by claims."""
    if not asked(config):
        yield from _idle(given) if config.gpu.allocation == DEVICE_PLUGIN else ()
        return
    wish = config.gpu.sharing
    if wish is not BROKEN:
        for key, one in (("timeSlicing", wish.time_slicing), ("mps", wish.mps), ("mig", wish.mig)):
            if one is not None and one is not BROKEN:
                yield Fault(f"gpu.sharing.{key}", "is not done by claims in this release", TWO_ON_A_CARD, FIX)
    watched = config.monitoring
    if watched is not BROKEN and watched.enabled is True and watched.exporter not in ("external", BROKEN):
        problem = "cannot be ours beside gpu.allocation: dra: it would have to claim the cards that pods claim"
        yield Fault("monitoring.exporter", problem, "monitoring: {enabled: true, exporter: external}", FIX)
    if config.validation is not BROKEN and config.validation.namespace == defaults.DRA_NAMESPACE:
        problem = f"{defaults.DRA_NAMESPACE} is taken; destroy deletes the namespace that up made"
        yield Fault("validation.namespace", problem, f"namespace: {defaults.VALIDATION_NAMESPACE}")


def _idle(given: set[str]) -> Iterator[Fault]:
    for path in sorted(one for one in given if one.startswith("gpu.draDriver.")):
        key = path.rpartition(".")[2]
        problem = "is about the DRA driver, and gpu.allocation is devicePlugin"
        yield Fault(path, problem, f"leave {key} out, or gpu: {{operator: none, allocation: dra}}", FIX)
