"""The setting `gpu.sharing.mig`, and the rules about it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from decide import aws_types, mig, mig_cards
from settings.faults import FIX, Fault
from settings.kinds import BROKEN, Choice, Count, Flag, Kind, Place, Text, setting

EXAMPLE = "mig: {profile: all-1g.5gb}"
PROFILE = Text("the name of a profile", r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", 63)
SIZE = r"[1-7]g\.\d+gb(\+me|\.me)?"
MOST = 7  # slices of a card
OF_CHART = {"operator": ("mig.strategy", "migManager.enabled", "migManager.config"), "plugin": ("migStrategy",)}
"""Values of a chart that this setting decides."""


@dataclass(frozen=True)
class MapOf:
    """Texts by names, each value of one kind."""

    name: Text
    kind: Kind
    type: str = "object"

    def read(self, given: Any, place: Place) -> Any:
        """A map of values, broken if one of them is."""
        if not isinstance(given, Mapping):
            return place.expected("an object", given)
        found = {}
        for key, value in given.items():
            inside = place.below(key, place.example)
            found[key] = self.kind.read(value, inside) if self.name.read(key, inside) is not BROKEN else BROKEN
        return BROKEN if BROKEN in found.values() else found


@dataclass(frozen=True)
class Slices:
    """How many of them, by their sizes."""

    type: str = "object"

    def read(self, given: Any, place: Place) -> Any:
        """Whole numbers by sizes."""
        return MapOf(Text("a size of slices", SIZE), Count(1, MOST)).read(given, place)


@dataclass(frozen=True)
class Mig:
    """Cards divided by MIG."""

    profile: str = setting(
        PROFILE,
        "profile: all-1g.5gb",
        "How each card is divided: `all-SIZE`, `all-balanced`, `all-disabled`, or one of `layouts`. "
        "Beside the plugin alone (`gpu.operator: none`) the cards are so already, and the gate looks whether they are.",
    )
    strategy: str = setting(
        Choice(mig.STRATEGIES),
        "strategy: mixed",
        "`single`: slices of one size, each handed out as `nvidia.com/gpu`. `mixed`: as `nvidia.com/mig-SIZE`.",
        mig.SINGLE,
    )
    nodes: Mapping[str, str] = setting(
        MapOf(Text("the name of a node or host"), PROFILE),
        "nodes: {gpu-2: all-3g.20gb}",
        "Nodes of `cluster.nodes`, or hosts of `bareMetal.hosts`, that have another profile.",
        {},
    )
    layouts: Mapping[str, Mapping[str, int]] = setting(
        MapOf(PROFILE, Slices()),
        "layouts: {two-sizes: {1g.5gb: 4, 3g.20gb: 1}}",
        "Profiles of your own: of each card so many slices of these sizes. They take the place of NVIDIA's.",
        {},
    )
    card: str | None = setting(
        Text("the product label of a card", r"[A-Za-z0-9][A-Za-z0-9._-]*", 63),
        "card: NVIDIA-A100-SXM4-40GB",
        "Which card all of them are, by label `nvidia.com/gpu.product`: what does not fit it is refused before "
        "anything is made.",
        None,
    )
    reboot: bool = setting(
        Flag(),
        "reboot: true",
        "Whether the MIG manager may reboot a node whose card does not change its mode otherwise: an A100 of a cloud "
        "machine.",
        False,
    )

    def plain(self) -> dict[str, Any]:
        """As the components want it, without what was not said."""
        layouts = {name: dict(one) for name, one in self.layouts.items()}
        said = {"nodes": dict(self.nodes), "layouts": layouts, "card": self.card, "reboot": self.reboot}
        return {"strategy": self.strategy, "profile": self.profile, **{key: one for key, one in said.items() if one}}


def told(config: Any) -> tuple[str, ...]:
    """What MIG costs, said before anything is made."""
    if not config.gpu.sharing.mig:
        return ()
    alone = config.gpu.operator.mode == "none"
    whose = "the cards are divided already, or the gate says so: nobody divides them here" if alone else mig.ISOLATION
    return (f"gpu.sharing.mig: {whose}",)


def faults(config: Any) -> Iterator[Fault]:
    """What does not go together with MIG."""
    wish, mode = config.gpu.sharing.mig, config.gpu.operator.mode
    if BROKEN in (wish.profile, wish.strategy, wish.nodes, wish.layouts, wish.card, wish.reboot):
        return
    elsewhere = _elsewhere(config, mode)
    if elsewhere:
        yield Fault("gpu.sharing.mig", *elsewhere, FIX)
        return
    for one in mig.faults(mig.Mig(**{"card": "", **wish.plain()})):
        yield Fault(f"gpu.sharing.mig.{one.path}", one.problem, one.fix, FIX)
    yield from _of_nodes(config, wish, mode)
    yield from _of_instances(config, wish, mode)
    yield from _of_the_plugin(wish, mode)
    if config.validation.gpus is not BROKEN and config.validation.gpus > 1:
        problem = f"is {config.validation.gpus}, and CUDA sees one slice in a pod, however many it asks for"
        yield Fault("validation.gpus", problem, "validation: {gpus: 1}", FIX)
    yield from _said_twice(config, mode)


def _elsewhere(config: Any, mode: Any) -> tuple[str, str] | None:
    """Where somebody else divides cards."""
    if config.target == "gke":
        return "has no effect on GKE, which divides cards by its pools", "partitionSize: 1g.5gb in gke.pools"
    if config.target == "aws":
        problem = "is not for node groups in this release: their nodes come and go, and a label is for one node"
        return problem, "leave mig out; target cluster with nodes by their names, or bareMetal"
    if mode == "external":
        problem = "has no effect on an operator or plugin that is not ours (gpu.operator: external)"
        return problem, "configure it where that one is, or gpu.operator: install"
    return None


def _of_nodes(config: Any, wish: Mig, mode: Any) -> Iterator[Fault]:
    """Each node is labelled by its name."""
    known = _names(config)
    if known is None:
        return
    if not known and mode == "install":
        problem = "labels each node by its name, and nodeSelector names none"
        yield Fault("gpu.sharing.mig", problem, "cluster: {nodes: [gpu-1, gpu-2]}", FIX)
    for node in wish.nodes:
        if node not in known:
            right = f"one of {', '.join(known)}" if known else "leave nodes out"
            yield Fault(f"gpu.sharing.mig.nodes.{node}", f"{node} is no node of this stack", right, FIX)


def _of_instances(config: Any, wish: Mig, mode: Any) -> Iterator[Fault]:
    """Of hosts that are EC2 instances the card is known by their type."""
    for name, kind, card in _rented(config):
        profile = wish.nodes.get(name, wish.profile)
        path = f"gpu.sharing.mig.{f'nodes.{name}' if name in wish.nodes else 'profile'}"
        if card not in mig_cards.CARDS and profile != mig_cards.OFF:
            yield Fault(path, f"host {name} is a {kind}: {card} has no MIG", "all-disabled, or another instance", FIX)
        elif not mig_cards.fits(profile, card, wish.layouts) and profile in (*mig.known_profiles(), *wish.layouts):
            has = ", ".join(f"all-{size}" for size in mig_cards.CARDS[card])
            yield Fault(path, f"{profile} does not fit {card} of host {name} ({kind})", f"one of {has}", FIX)
        elif "A100" in card and not wish.reboot and mode == "install" and profile != mig_cards.OFF:
            problem = f"is not said, and an A100 in the cloud (host {name}, {kind}) changes its mode in a reboot alone"
            yield Fault("gpu.sharing.mig.reboot", problem, "reboot: true", FIX)


def _rented(config: Any) -> Iterator[tuple[str, str, str]]:
    """Name, instance type and card of hosts that are made."""
    hosts = config.bare_metal.hosts if config.target == "bareMetal" and config.bare_metal else ()
    for host in hosts if hosts is not BROKEN else ():
        kind = aws_types.TYPES.get(host.ec2.type) if host.ec2 and BROKEN not in (host.name, host.ec2) else None
        if kind:
            yield host.name, kind.name, kind.card.replace(" ", "-")


def _names(config: Any) -> list[str] | None:
    """Names of nodes, or of hosts; none where they could not be read."""
    if config.target == "bareMetal":
        hosts = config.bare_metal.hosts if config.bare_metal else BROKEN
        names = [one.name for one in hosts] if hosts is not BROKEN else [BROKEN]
        return None if BROKEN in names else names
    nodes = config.cluster.nodes
    return None if nodes is BROKEN or config.cluster.node_selector is BROKEN else list(nodes)


def _of_the_plugin(wish: Mig, mode: Any) -> Iterator[Fault]:
    """What only the operator's MIG manager does."""
    if mode == "none" and wish.reboot:
        problem = "is for the operator's MIG manager, and the plugin alone has none (gpu.operator: none)"
        yield Fault("gpu.sharing.mig.reboot", problem, "leave reboot out", FIX)


def _said_twice(config: Any, mode: Any) -> Iterator[Fault]:
    where = "plugin" if mode == "none" else "operator"
    values = getattr(config.gpu, where).values
    for path in OF_CHART[where] if values is not BROKEN else ():
        if _at(values, path) is not None:
            problem = "says what gpu.sharing.mig says too"
            yield Fault(f"gpu.{where}.values.{path}", problem, "leave one of them out", FIX)


def _at(values: Any, path: str) -> Any:
    for key in path.split("."):
        values = values.get(key) if isinstance(values, Mapping) else None
    return values
