"""Container toolkit and container runtime of a host: kept where they fit, else set up for what its kubelet uses."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from decide import defaults, host_rpm
from decide.host_failures import Refusal, refusal
from decide.host_packages import TOOLKIT, is_below
from decide.host_system import system_of
from decide.host_wish import HostWish

if TYPE_CHECKING:
    from host.facts import HostFacts, Runtime

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
    return [*_runtime(facts, wish), *_toolkit(facts, wish)]


def _runtime(facts: "HostFacts", wish: HostWish) -> Iterator[Refusal]:
    kind = facts.runtime.kind
    if kind in FAMILIES:
        yield from FAMILIES[kind].refusals(facts, wish)
    else:
        what = f"the kubelet uses {NAMES[kind]}" if kind else "no container runtime was found"
        known = ", ".join(NAMES[one] for one in FAMILIES)
        yield refusal("HST-65", f"{what}; this release sets up {known}", BY_HAND.get(kind, ""))


def _containerd(facts: "HostFacts", _wish: HostWish) -> Iterator[Refusal]:
    version = facts.runtime.version
    if is_below(version, defaults.CONTAINERD_OLDEST):
        shown = version or "of an unknown version"
        yield refusal("HST-66", f"containerd is {shown}; {defaults.CONTAINERD_OLDEST} is the oldest that works here")
    elif not facts.runtime.handlers:
        yield refusal("TK-6", "containerd has its CRI plugin switched off, so the kubelet cannot use it")


def _rancher(facts: "HostFacts", _wish: HostWish) -> Iterator[Refusal]:
    found, name = facts.runtime, NAMES[facts.runtime.kind]
    if not found.unit:
        yield refusal("RT-13", f"{name} is installed, but does not run, so it writes no settings for its containerd")
    elif not found.handlers:
        problem = f"{name} runs, and has written no settings for a containerd of its own ({found.config})"
        yield refusal("RT-13", problem, f"{name} with --docker is not supported: take it out of its service")
    if found.template:
        yield refusal("RT-12", f"{found.template} is somebody's own and leaves out what {name} finds by itself")


def _k0s(facts: "HostFacts", _wish: HostWish) -> Iterator[Refusal]:
    found = facts.runtime
    if not found.unit:
        yield refusal("RT-13", "k0s is installed, but does not run, so nothing would take up a file for its containerd")
    if found.template:
        yield refusal("RT-17", f"{found.template} is not k0s's any more, so it takes up no other file")


def _docker(facts: "HostFacts", wish: HostWish) -> Iterator[Refusal]:
    if not facts.runtime.handlers:
        yield refusal("RT-13", "the kubelet uses Docker, which does not answer", "on the host: docker info")
    if wish.operator != "none":
        problem = "the kubelet uses Docker (cri-dockerd), and NVIDIA's operator knows containerd and CRI-O alone"
        yield refusal("RT-15", problem)
    elif wish.runtime_class != "none":
        yield refusal("RT-15", "cri-dockerd takes no handler, so no pod with the RuntimeClass nvidia starts there")


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
    found = facts.runtime
    if found.kind == CONTAINERD:
        return {} if found.config in ("", CONFIG) else {"GR_RUNTIME_CONFIG": found.config}
    return {"GR_KIND": found.kind, "GR_UNIT": found.unit}


def _has_handler(facts: "HostFacts") -> bool:
    found = facts.runtime
    is_default = found.kind != "docker" or found.default == defaults.RUNTIME_CLASS
    return defaults.RUNTIME_CLASS in found.handlers and is_default and not facts.ours.runtime


def toolkit_line(facts: "HostFacts", wish: HostWish) -> str:
    """What was decided of the toolkit, with the reason."""
    if keeps_toolkit(facts, wish):
        return f"{facts.toolkit} is there and stays as it is; destroy leaves it there"
    ours = "decided at the first install" if facts.ours.toolkit else "the version this release was made with"
    why = "asked for" if wish.toolkit else ours
    return f"install {toolkit_version(facts, wish)} ({why}), four packages at one version, held"


def runtime_line(facts: "HostFacts") -> str:
    """What was decided of the runtime, with the reason."""
    found = facts.runtime
    family, name = FAMILIES[found.kind], named(found)
    if _has_handler(facts):
        return f"{name} has the handler {defaults.RUNTIME_CLASS} already; nothing is written"
    return f"{name}: {family.line(facts)}"


def named(found: "Runtime") -> str:
    """For people: `containerd 1.7.24`, `k3s (containerd 2.1.5)`; empty: there is none."""
    if not found.kind:
        return ""
    name, with_own = NAMES[found.kind], found.kind in OWN_CONTAINERD and found.version
    return f"{name} (containerd {found.version})" if with_own else f"{name} {found.version}".strip()


def _containerd_line(_facts: "HostFacts") -> str:
    what = f"handler {defaults.RUNTIME_CLASS} as a marked block in its own file"
    return f"{what}, because imported files may replace whole sections; tried before, rolled back if it fails"


def _rancher_line(facts: "HostFacts") -> str:
    unit, name = facts.runtime.unit, NAMES[facts.runtime.kind]
    what = (
        f"systemctl restart {unit}, once, so that it finds the toolkit; nothing is written, because {name} writes its"
    )
    return f"{what} settings anew at each start; pods go on running"


def _k0s_line(facts: "HostFacts") -> str:
    what = f"handler {defaults.RUNTIME_CLASS} as {facts.runtime.config}, in a folder that k0s watches and merges itself"
    return f"{what}; taken up without a restart; taken back if it fails"


def _docker_line(facts: "HostFacts") -> str:
    what = f"{defaults.RUNTIME_CLASS} as its default runtime in {facts.runtime.config}, because cri-dockerd takes no"
    return f"{what} handler; all else in that file stays as it is; tried before, reloaded, restarted only if need be"


class Family(NamedTuple):
    """Container runtimes that are set up in one way."""

    refusals: Callable[["HostFacts", HostWish], Iterator[Refusal]]
    line: Callable[["HostFacts"], str]


NAMES = {
    CONTAINERD: "containerd", "k3s": "k3s", "rke2": "RKE2", "docker": "Docker", "crio": "CRI-O",
    "microk8s": "MicroK8s", "k0s": "k0s",
}  # fmt: skip
OWN_CONTAINERD = ("k3s", "rke2", "microk8s", "k0s")
RANCHER = Family(_rancher, _rancher_line)
FAMILIES = {
    CONTAINERD: Family(_containerd, _containerd_line),
    "k3s": RANCHER,
    "rke2": RANCHER,
    "k0s": Family(_k0s, _k0s_line),
    "docker": Family(_docker, _docker_line),
}
_THEN = "then take the node in by target: cluster"
BY_HAND = {
    "crio": f"on the host: nvidia-ctk runtime configure --runtime=crio; systemctl restart crio; {_THEN}",
    "microk8s": "microk8s enable nvidia, which brings an operator; then target: cluster with gpu: {operator: external}",
}
"""What its own makers have for it, where nothing is written here."""
