"""Container toolkit and container runtime of a host: kept where they fit, else set up for containerd."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from decide import defaults, host_rpm
from decide.host_failures import Refusal, refusal
from decide.host_packages import TOOLKIT, is_below
from decide.host_system import system_of
from decide.host_wish import HostWish

if TYPE_CHECKING:
    from host.facts import HostFacts

CONTAINERD = "containerd"
CONFIG = "/etc/containerd/config.toml"
SECOND_LINE = "2.0"


def keeps_toolkit(facts: "HostFacts", wish: HostWish) -> bool:
    """A toolkit that is there and is not ours stays, unless the stack file asks for another version."""
    return bool(facts.toolkit) and not facts.ours.toolkit and wish.toolkit in (None, facts.toolkit)


def toolkit_version(facts: "HostFacts", wish: HostWish) -> str:
    """What the stack file says, else what an earlier run decided, else the default."""
    return wish.toolkit or facts.ours.toolkit or defaults.TOOLKIT_VERSION


def refusals(facts: "HostFacts", wish: HostWish) -> list[Refusal]:
    """Why toolkit or runtime cannot be as wished."""
    return [*_runtime(facts), *_toolkit(facts, wish)]


def _runtime(facts: "HostFacts") -> Iterator[Refusal]:
    kind, version = facts.runtime.kind, facts.runtime.version
    if kind != CONTAINERD:
        what = f"{kind}, which comes with a later release" if kind else "none that was found"
        yield refusal("HST-65", f"the container runtime of the kubelet is {what}; this release knows containerd")
    elif is_below(version, defaults.CONTAINERD_OLDEST):
        shown = version or "of an unknown version"
        yield refusal("HST-66", f"containerd is {shown}; {defaults.CONTAINERD_OLDEST} is the oldest that works here")
    elif not facts.runtime.handlers:
        yield refusal("TK-6", "containerd has its CRI plugin switched off, so the kubelet cannot use it")


def _toolkit(facts: "HostFacts", wish: HostWish) -> Iterator[Refusal]:
    kept = keeps_toolkit(facts, wish)
    system = system_of(facts)
    if system and not system.source and not kept:
        fix = "install it by hand: https://docs.nvidia.com/datacenter/cloud-native/container-toolkit; then it is kept"
        yield refusal("HST-67", f"on {facts.pretty} no container toolkit is installed", fix)
        return
    version = facts.toolkit if kept else toolkit_version(facts, wish)
    second = facts.runtime.kind == CONTAINERD and not is_below(facts.runtime.version, SECOND_LINE)
    fix = "" if wish.toolkit else f"toolkit: {{version: {defaults.TOOLKIT_VERSION}}} moves it"
    if is_below(version, defaults.TOOLKIT_FLOOR):
        yield refusal("HST-68", f"container toolkit {version} lets containers out (CVE-2025-23266)", fix)
    elif second and is_below(version, defaults.TOOLKIT_FOR_CONTAINERD_2):
        least = defaults.TOOLKIT_FOR_CONTAINERD_2
        problem = f"container toolkit {version} does not fit containerd {facts.runtime.version}, which wants {least}"
        yield refusal("HST-68", problem, fix)


def toolkit_values(facts: "HostFacts", wish: HostWish) -> dict[str, Any]:
    """What the step is told."""
    if keeps_toolkit(facts, wish):
        return {}
    by_dnf = facts.package_manager == "dnf"
    usual, also = (host_rpm.TOOLKIT, host_rpm.SIGNED_LISTS) if by_dnf else (TOOLKIT, {})
    return {"GR_DECIDED": toolkit_version(facts, wish), **wish.mirrored("toolkit", usual), **also}


def runtime_values(facts: "HostFacts") -> dict[str, Any]:
    """What the step is told."""
    config = facts.runtime.config
    return {} if config in ("", CONFIG) else {"GR_RUNTIME_CONFIG": config}


def _has_handler(facts: "HostFacts") -> bool:
    return defaults.RUNTIME_CLASS in facts.runtime.handlers and not facts.ours.runtime


def toolkit_line(facts: "HostFacts", wish: HostWish) -> str:
    """What was decided of the toolkit, with the reason."""
    if keeps_toolkit(facts, wish):
        return f"{facts.toolkit} is there and stays as it is; destroy leaves it there"
    ours = "decided at the first install" if facts.ours.toolkit else "the version this release was made with"
    why = "asked for" if wish.toolkit else ours
    return f"install {toolkit_version(facts, wish)} ({why}), four packages at one version, held"


def runtime_line(facts: "HostFacts") -> str:
    """What was decided of the runtime, with the reason."""
    if _has_handler(facts):
        return (
            f"containerd {facts.runtime.version} has the handler {defaults.RUNTIME_CLASS} already; nothing is written"
        )
    what = f"containerd {facts.runtime.version}: handler {defaults.RUNTIME_CLASS} as a marked block in its own file"
    return f"{what}, because imported files may replace whole sections; tried before, rolled back if it fails"
