"""What a distribution of Kubernetes asks of the operator's toolkit container, which has to find containerd there."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from decide import defaults
from decide.operator_values import Value
from decide.user_values import number


class Flavour(NamedTuple):
    """Where a distribution has its containerd, and since when the operator can be told; or why it cannot."""

    env: Mapping[str, str] = {}
    since: str = ""
    cannot: str = ""
    sign: str = ""
    """What its kubelets' versions have in them; none: nothing tells them apart."""


NRI_SINCE = "v26.3.0"
"""The first operator whose toolkit container can be a plugin of the container runtime, wherever that is."""
_SOCKET = "/run/k3s/containerd/containerd.sock"
_SNAP = "/var/snap/microk8s"
# Sources: RKE2's page on GPU operators, the operator's getting-started page and release notes (August 2026).
FLAVOURS: Mapping[str, Flavour] = {
    "rke2": Flavour({"CONTAINERD_SOCKET": _SOCKET}, "v25.10.0", sign="+rke2"),
    "k3s": Flavour(
        {"CONTAINERD_CONFIG": "/var/lib/rancher/k3s/agent/etc/containerd/config.toml", "CONTAINERD_SOCKET": _SOCKET},
        "v26.3.0",
        sign="+k3s",
    ),
    "microk8s": Flavour(
        {
            "CONTAINERD_CONFIG": f"{_SNAP}/current/args/containerd-template.toml",
            "CONTAINERD_SOCKET": f"{_SNAP}/common/run/containerd.sock",
            "RUNTIME_CONFIG_SOURCE": f"file={_SNAP}/current/args/containerd.toml",
        },
        "v25.10.0",
    ),
    "k0s": Flavour(cannot="has its containerd where the toolkit container is not known to find it", sign="+k0s"),
    "other": Flavour(),
}
SIGNS = {name: one.sign for name, one in FLAVOURS.items() if one.sign}


def values(flavour: str | None) -> Iterator[Value]:
    """Variables of the toolkit container, where it runs at all."""
    known = FLAVOURS.get(flavour or "", FLAVOURS["other"])
    if known.env:
        env = [{"name": name, "value": value} for name, value in known.env.items()]
        yield Value("toolkit.env", env, f"cluster.flavour: where {flavour} has containerd's configuration and socket")


def problem(flavour: str | None, version: str) -> tuple[str, str] | None:
    """Why the toolkit container cannot work there, and what can."""
    known, beside = FLAVOURS.get(flavour or "", FLAVOURS["other"]), "gpu.toolkit: preinstalled"
    if known.cannot:
        return f"{flavour} {known.cannot}", beside if number(version) < number(NRI_SINCE) else "gpu.toolkit: nri"
    if known.since and number(version) < number(known.since):
        oldest = [one for one in defaults.OPERATOR_VERSIONS if number(one) >= number(known.since)][-1]
        return f"the toolkit container of {version} cannot be told where {flavour} has its containerd", (
            f"gpu.operator.version: {oldest} or newer, or {beside}"
        )
    return None
