"""MIG: how a card becomes slices, what operator and plugin are told of it, and what cannot be."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from decide import defaults
from decide.mig_cards import BALANCED, CARDS, OFF, fits, label, slices
from decide.operator_values import Value
from decide.remainder import Left
from decide.wording import similar

SINGLE, MIXED = "single", "mixed"
STRATEGIES = (SINGLE, MIXED)
ISOLATION = "each slice has memory and processors of its own; a change of geometry ends what runs on the card"


class Fault(NamedTuple):
    """A wish that cannot be: where below `gpu.sharing.mig`, what is wrong, and what to do."""

    path: str
    problem: str
    fix: str


class Mig(NamedTuple):
    """How cards are divided: by which strategy, and each node by which profile."""

    strategy: str
    profile: str
    nodes: Mapping[str, str] = {}
    """Nodes, or hosts, with a profile of their own."""
    layouts: Mapping[str, Mapping[str, int]] = {}
    """Profiles that NVIDIA does not bring along: slices of each card by their sizes."""
    card: str = ""
    reboot: bool = False

    def of(self, node: str) -> str:
        """The profile of a node."""
        return self.nodes.get(node, self.profile)

    @property
    def profiles(self) -> list[str]:
        """Each profile that is named, once."""
        return list(dict.fromkeys([self.profile, *self.nodes.values()]))


def read(plain: Mapping[str, Any] | None) -> Mig | None:
    """From plain values; none: cards are not divided."""
    if not plain:
        return None
    known = {key: plain[key] for key in Mig._fields if plain.get(key)}
    return Mig(**{"strategy": SINGLE, "profile": OFF, **known})


def known_profiles() -> list[str]:
    """Each profile that NVIDIA brings along for some card that is known here."""
    sizes = dict.fromkeys(size for has in CARDS.values() for size in has)
    return [OFF, BALANCED, *(f"all-{size}" for size in sizes)]


def sizes(mig: Mig, profile: str) -> list[str]:
    """The sizes of slices that a profile hands out, smallest first, where that is one answer for all cards."""
    if profile in mig.layouts:
        return sorted(label(size) for size in mig.layouts[profile])
    if profile == BALANCED:
        return list(slices(profile, mig.card))
    return [] if profile == OFF else [profile.removeprefix("all-")]


def resource(mig: Mig | None, profile: str = "") -> str:
    """What a pod asks for to get a slice, or a card."""
    found = sizes(mig, profile or mig.profile) if mig and mig.strategy == MIXED else []
    return f"nvidia.com/mig-{found[0]}" if found else defaults.RESOURCE_NAME


def faults(mig: Mig) -> Iterator[Fault]:
    """What cannot be, as far as it can be told before anything is looked at."""
    if mig.card and mig.card not in CARDS:
        yield Fault("card", f"{mig.card} has no MIG that is known here", f"card: {next(iter(CARDS))}, or leave it out")
    for path, profile in _named(mig):
        yield from _of_profile(mig, path, profile)
    for name, layout in mig.layouts.items():
        yield from _of_layout(mig, name, layout)


def _named(mig: Mig) -> Iterator[tuple[str, str]]:
    yield "profile", mig.profile
    for node, profile in mig.nodes.items():
        yield f"nodes.{node}", profile


def _of_profile(mig: Mig, path: str, profile: str) -> Iterator[Fault]:
    known = [*mig.layouts, *([OFF] if mig.layouts else known_profiles())]
    if profile not in known:
        close = similar(profile, known)
        hint = f"did you mean {close}?" if close else f"one of {', '.join(known)}"
        beside = " beside layouts, which take the place of NVIDIA's own" if mig.layouts else ""
        yield Fault(path, f"{profile} is no profile of a card that is known here{beside}", hint)
    elif mig.card in CARDS and not fits(profile, mig.card, mig.layouts):
        has = ", ".join(f"all-{size}" for size in CARDS[mig.card])
        yield Fault(path, f"{profile} does not fit {mig.card}", f"one of {has}")
    elif mig.strategy == SINGLE and (profile == BALANCED or len(sizes(mig, profile)) > 1):
        problem = f"{profile} has slices of several sizes, and strategy single wants one"
        yield Fault(path, problem, "strategy: mixed")
    elif mig.strategy == MIXED and profile == BALANCED and not mig.card:
        problem = "all-balanced makes other slices of other cards, and the proof has to ask for one by its size"
        yield Fault("card", problem, "card: NVIDIA-A100-SXM4-40GB")


def _of_layout(mig: Mig, name: str, layout: Mapping[str, int]) -> Iterator[Fault]:
    path, sizes_known = f"layouts.{name}", {size for has in CARDS.values() for size in has}
    if name in known_profiles():
        yield Fault(path, f"{name} is a profile of NVIDIA's own", f"layouts: {{my-{name}: ...}}")
    strange = [size for size in layout if label(size) not in sizes_known]
    if strange or not layout:
        problem = f"{strange[0]} is no size of slices that is known here" if strange else "has no slices"
        yield Fault(path, problem, f"layouts: {{{name}: {{1g.5gb: 3, 2g.10gb: 2}}}}")
    elif sum(int(size[0]) * count for size, count in layout.items()) > 7:
        yield Fault(path, "has more than the seven parts of a card", "fewer or smaller slices")


def configuration(mig: Mig) -> str:
    """The file of the MIG manager, with our own layouts; it takes the place of NVIDIA's."""
    lines = ["version: v1", "mig-configs:", f"  {OFF}:", "    - devices: all", "      mig-enabled: false"]
    for name, layout in sorted(mig.layouts.items()):
        lines += [f"  {name}:", "    - devices: all", "      mig-enabled: true", "      mig-devices:"]
        lines += [f"        {json.dumps(size)}: {count}" for size, count in sorted(layout.items())]
    return "\n".join(lines) + "\n"


def operator_values(mig: Mig | None) -> Iterator[Value]:
    """What the operator is told; the profile of a node stands in its label."""
    if not mig:
        return
    why = "gpu.sharing.mig"
    yield Value("mig.strategy", mig.strategy, f"{why}: {_handed_out(mig)}")
    if mig.reboot:
        reboot = [{"name": "WITH_REBOOT", "value": "true"}]
        yield Value("migManager.env", reboot, f"{why}.reboot: cards of cloud machines change their mode in a boot")
    if mig.layouts:
        text = configuration(mig)
        name = f"gpu-ready-mig-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
        yield Value("migManager.config.create", True, f"{why}.layouts")
        yield Value("migManager.config.name", name, f"{why}.layouts; nobody watches its content, hence another name")
        yield Value("migManager.config.data", {"config.yaml": text}, f"{why}.layouts")


def _handed_out(mig: Mig) -> str:
    if mig.strategy == SINGLE:
        return f"each slice is handed out as {defaults.RESOURCE_NAME}"
    return "slices are handed out by their sizes, as nvidia.com/mig-SIZE"


def plugin_values(mig: Mig | None) -> Iterator[Value]:
    """What the plugin alone is told; nobody divides cards for it."""
    if mig:
        yield Value("migStrategy", mig.strategy, f"gpu.sharing.mig: {_handed_out(mig)}; the cards are divided already")


def left(mig: Mig | None) -> list[Left]:
    """What destroy leaves of it: who would divide cards anew goes first."""
    if not mig or set(mig.profiles) == {OFF}:
        return []
    why = "the operator goes first, and without it nobody makes them whole again, nor does a boot"
    how = "before destroy, gpu.sharing: {mig: {profile: all-disabled}} and pulumi up; or on the node: nvidia-smi -mig 0"
    return [Left("the division of cards by MIG", why, how)]


def to_judge(mig: Mig, managed: bool) -> dict[str, Any]:
    """What the gate has to know beside the nodes: what each profile makes of which card."""
    known = {"strategy": mig.strategy, "profile": mig.profile, "managed": managed, "cards": list(CARDS)}
    return {**known, "table": {profile: dict(_made(mig, profile)) for profile in mig.profiles}}


def of_node(mig: Mig, node: str) -> dict[str, Any]:
    """What a node hands out then, and for the report the sizes of its slices."""
    profile = mig.of(node)
    size = ", ".join(sizes(mig, profile))
    return {"profile": profile, "resource": resource(mig, profile), **({"slice": size} if size else {})}


def _made(mig: Mig, profile: str) -> Iterator[tuple[str, dict[str, int]]]:
    for card in CARDS:
        if profile != OFF and fits(profile, card, mig.layouts):
            made = slices(profile, card, mig.layouts)
            yield card, {label(size): count for size, count in made.items()}
