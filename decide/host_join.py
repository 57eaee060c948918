"""How a machine that is nobody's node becomes one, by a k3s of ours: what the step is told, and what cannot be."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from decide import defaults
from decide.host_failures import Refusal, refusal

if TYPE_CHECKING:
    from decide.host_wish import HostWish
    from host.facts import HostFacts, Runtime

ROLES = ("server", "agent")
VERSION = r"v1\.[0-9]{1,2}\.[0-9]{1,2}\+k3s[0-9]{1,2}"
SERVER = r"https://([A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(:[0-9]{1,5})?"
URL = r"https?://[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?(:[0-9]{1,5})?(/[A-Za-z0-9._~+%-]{1,100}){1,20}"
SHA256 = r"[0-9a-f]{64}"
EXAMPLE = "v1.34.1+k3s1"
RELEASES = "https://github.com/k3s-io/k3s/releases/download"
CHECKSUMS = "sha256sum-amd64.txt"
FORMS = {
    "k3s": ("|".join(ROLES), "k3s: server"),
    "version": (VERSION, f'version: "{EXAMPLE}"'),
    "sha256": (SHA256, f"sha256: the line `k3s` in {RELEASES}/VERSION/{CHECKSUMS}"),
    "url": (URL, "url: http://mirror.home.arpa/k3s/k3s"),
    "server": (SERVER, "server: https://first.home.arpa:6443"),
}
"""What is said of a join, in which form, with a right example."""
KEYS = (*FORMS, "remove_data")
FOUND = "k3s finds the toolkit at its first start, and has the handler by itself; nothing is written"
NEEDED = ("k3s", "version", "sha256")


class Join(NamedTuple):
    """As what a machine joins, and the program by which it does."""

    k3s: str
    version: str
    sha256: str
    url: str = ""
    server: str = ""
    """For an agent: which server it joins."""
    remove_data: bool = False
    """Whether destroy takes the data of the cluster too."""

    @property
    def unit(self) -> str:
        """The service that it runs as."""
        return "k3s" if self.k3s == "server" else "k3s-agent"

    @property
    def source(self) -> str:
        """Where the program comes from."""
        return self.url or f"{RELEASES}/{self.version}/k3s"


def faults(given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is wrong with a join: the key, and the problem with a right example."""
    for key, (form, example) in FORMS.items():
        value = given.get(key)
        if value is None and key in NEEDED:
            yield key, f"is missing. Right: {example}"
        elif value is not None and not (isinstance(value, str) and re.fullmatch(form, value)):
            yield key, f"cannot be {value!r:.60}. Right: {example}"
    if given.get("k3s") == "agent" and not given.get("server"):
        yield "server", f"is missing: an agent joins a server. Right: {FORMS['server'][1]}"
    if given.get("k3s") == "server" and given.get("server"):
        yield "server", "has no effect on a server: this release makes clusters with one. Right: leave server out"


class Clash(NamedTuple):
    """What hosts, or a host and the cluster, say against each other."""

    key: str
    problem: str
    fix: str


def clashes(roles: Sequence[str], has_context: bool, has_kubeconfig: bool) -> list[Clash]:
    """Of the hosts of a stack; a role is empty where a host is a node already."""
    servers = [number for number, role in enumerate(roles) if role == "server"]
    if not servers:
        known = "context: home; or one machine makes the cluster: bareMetal.hosts: [{{join: {{k3s: server}}}}]"
        return [] if has_context else [Clash("context", "is missing: the hosts are nodes of a cluster", known)]
    made = "has no effect: a host of this stack makes the cluster (join: k3s), and its kubeconfig comes from there"
    clash = [
        Clash(f"hosts[{one}].join", "is a second server; this release makes clusters with one", "k3s: agent")
        for one in servers[1:]
    ]
    clash += [
        Clash(
            f"hosts[{number}].join",
            "is missing: another host makes the cluster, so this one is no node of it yet",
            "join: {k3s: agent, server: ...}",
        )
        for number, role in enumerate(roles)
        if not role
    ]
    given = [key for key, is_given in (("context", has_context), ("kubeconfig", has_kubeconfig)) if is_given]
    return [*clash, *(Clash(key, made, f"leave {key} out") for key in given)]


def read(given: Mapping[str, Any]) -> Join:
    """A join without faults."""
    known = {key: given[key] for key in FORMS if given.get(key) is not None}
    return Join(**known, remove_data=bool(given.get("remove_data")))


def refusals(facts: "HostFacts", wish: "HostWish") -> list[Refusal]:
    """A machine that is somebody's node already joins nothing; and what is ours is not silently let go."""
    return list(_joining(facts, wish.join) if wish.join else _left(facts))


def _left(facts: "HostFacts") -> Iterator[Refusal]:
    if facts.ours.join:
        fix = "say it again; to take k3s away: take the host out of the list, or pulumi destroy"
        yield refusal(
            "HST-98", f"this machine is k3s {facts.ours.join} by gpu-ready, and join is not said any more", fix
        )


def _joining(facts: "HostFacts", join: Join) -> Iterator[Refusal]:
    ours, found = facts.ours.join, facts.runtime
    if ours and ours != join.k3s:
        problem = f"this machine is k3s {ours} of this stack, and {join.k3s} is asked for"
        yield refusal("HST-98", problem, "take the host out, pulumi up, and declare it again")
    elif ours:
        return
    elif found.unit or facts.kubelet:
        what = f"{found.unit} runs there" if found.unit else "its kubelet has joined a cluster"
        yield refusal("HST-98", f"this machine is a node already: {what}, and gpu-ready has not made it")
    elif facts.k3s:
        yield refusal("HST-98", f"there is a k3s already ({facts.k3s}), and gpu-ready has not made it")
    elif found.kind in ("rke2", "microk8s", "k0s"):
        yield refusal("HST-98", f"there is {found.kind} already, and gpu-ready has not made it")


def joined(facts: "HostFacts", wish: "HostWish") -> "HostFacts":
    """The machine as it will be when the steps after the join come to it; the same before and after."""
    if not wish.join:
        return facts
    return replace(facts, kubelet=True, runtime=_runtime(facts, wish.join.unit))


def _runtime(facts: "HostFacts", unit: str) -> "Runtime":
    # A template of somebody's own is found only once k3s is there.
    template = facts.runtime.template if facts.runtime.kind == "k3s" else ""
    config = "/var/lib/rancher/k3s/agent/etc/containerd/config.toml"
    found = replace(facts.runtime, kind="k3s", version="", config=config, handlers=(defaults.RUNTIME_CLASS,))
    return replace(found, unit=unit, template=template, default="")


def values(wish: "HostWish") -> dict[str, Any]:
    """What the step is told, but for the token and the address of the host."""
    join = wish.join
    if not join:
        return {}
    told = {"GR_JOIN": join.k3s, "GR_K3S": join.version, "GR_SHA256": join.sha256, "GR_URL": join.source}
    return {**told, "GR_SERVER": join.server, "GR_REMOVE_DATA": "yes" if join.remove_data else ""}


def line(join: Join) -> str:
    """What was decided, with the reason."""
    what = f"k3s {join.version} as {join.k3s}{f' of {join.server}' if join.server else ''}, from {join.source}"
    stays = "goes with destroy" if join.remove_data else "stays after destroy (removeData: true takes it)"
    data = f"; the cluster's data {stays}" if join.k3s == "server" else ""
    return f"{what}, checksum {join.sha256[:12]}...; after driver and toolkit, which it finds at its first start{data}"
