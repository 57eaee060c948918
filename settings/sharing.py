"""The setting `gpu.sharing`, and the rules about it."""
# ruff: noqa: RUF009 - setting() is dataclasses.field() with metadata

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from decide import sharing
from decide.wording import shown
from settings import slices
from settings.faults import FIX, Fault
from settings.kinds import BROKEN, Choice, Count, Place, Section, setting
from settings.slices import Mig

OF_GKE = {"timeSlicing": "timeSharing", "mps": "mps"}
EXAMPLES = {"mig": slices.EXAMPLE, "mps": "mps: {replicas: 4}"}


@dataclass(frozen=True)
class Mode(Choice):
    """The word `none`; whoever writes a way of sharing here means its key."""

    def read(self, given: Any, place: Place) -> Any:
        """The word, or which key it is."""
        if given in self.options:
            return given
        example = EXAMPLES.get(given, "timeSlicing: {replicas: 4}") if isinstance(given, str) else EXAMPLES["mps"]
        problem = f"none alone is a word here, got {shown(given)}; a way of sharing is a key of its own"
        return place.wrong(problem, f"sharing: {{{example}}}")


@dataclass(frozen=True)
class OneForAll(Section):
    """A section that somebody may take for a list with an entry for each group of nodes."""

    def read(self, given: Any, place: Place) -> Any:
        """The section."""
        if not isinstance(given, (list, tuple)):
            return super().read(given, place)
        problem = "is one for all nodes in this release; of MIG each node may have a profile of its own"
        return place.wrong(problem, "sharing: {mig: {profile: all-1g.5gb, nodes: {gpu-2: all-3g.20gb}}}")


@dataclass(frozen=True)
class Replicas:
    """How many pods share a card."""

    replicas: int = setting(Count(2, sharing.MOST), "replicas: 4", "How many pods may have the same card at a time.", 2)


@dataclass(frozen=True)
class Sharing:
    """Several pods on one card. `sharing: none` alone says the same as leaving it out."""

    mode: str = setting(Mode(("none",)), "mode: none", "`none`: each card is one pod's alone.", "none")
    time_slicing: Replicas | None = setting(
        Section(Replicas),
        "timeSlicing: {replicas: 4}",
        f"By turns: {sharing.ISOLATION['timeSlicing']}.",
        None,
    )
    mps: Replicas | None = setting(
        Section(Replicas), "mps: {replicas: 4}", f"By NVIDIA's MPS: {sharing.ISOLATION['mps']}.", None
    )
    mig: Mig | None = setting(
        Section(Mig), slices.EXAMPLE, "Each card divided by MIG into slices, which are handed out like cards.", None
    )

    def plain(self) -> dict[str, Any] | None:
        """As the components want it."""
        for strategy, wish in (("timeSlicing", self.time_slicing), ("mps", self.mps)):
            if wish is not None:
                return {"strategy": strategy, "replicas": wish.replicas}
        return None


def told(config: Any) -> tuple[str, ...]:
    """What sharing costs, said before anything is made."""
    wish = config.gpu.sharing.plain()
    return (f"gpu.sharing: {sharing.ISOLATION[wish['strategy']]}",) if wish else slices.told(config)


def faults(config: Any, given: set[str]) -> Iterator[Fault]:
    """What does not go together, and what this release does not do."""
    wish, mode = config.gpu.sharing, config.gpu.operator.mode
    if wish is BROKEN or BROKEN in (wish.mode, wish.time_slicing, wish.mps, wish.mig):
        return
    asked = [key for key, one in (("timeSlicing", wish.time_slicing), ("mps", wish.mps), ("mig", wish.mig)) if one]
    if len(asked) > 1:
        yield Fault(
            "gpu.sharing", f"has {' and '.join(asked)}, and a card is shared in one way", f"leave {asked[1]} out", FIX
        )
    if asked and "gpu.sharing.mode" in given:
        yield Fault("gpu.sharing.mode", f"is none beside {asked[0]}", "leave mode out", FIX)
    if asked == ["mig"]:
        yield from slices.faults(config)
    elif asked:
        yield from _of_a_shared_card(config, given, asked[0], mode)


def _of_a_shared_card(config: Any, given: set[str], strategy: str, mode: Any) -> Iterator[Fault]:
    path = f"gpu.sharing.{strategy}"
    if config.target == "gke" and config.gpu.driver in (None, "platform"):
        problem = "has no effect on GKE's own plugin, which shares cards here (gpu.driver: platform)"
        own = f"sharing: {{strategy: {OF_GKE[strategy]}, clients: 4}} in gke.pools"
        yield Fault(path, problem, f"{own}, or gpu.driver: operator", FIX)
        return
    if mode == "external":
        problem = "has no effect on an operator or plugin that is not ours (gpu.operator: external)"
        yield Fault(path, problem, "configure it where that one is, or gpu.operator: install", FIX)
    if config.validation.gpus is not BROKEN and config.validation.gpus > 1:
        problem = f"is {config.validation.gpus}, and of a shared card a pod gets one share, whatever it asks for"
        yield Fault("validation.gpus", problem, "validation: {gpus: 1}", FIX)
    if mode == "none" and strategy == "mps" and config.gpu.plugin is not BROKEN and not config.gpu.plugin.discovery:
        problem = "needs GPU feature discovery: MPS runs on nodes that it has labelled nvidia.com/mps.capable"
        yield Fault(path, problem, "gpu.plugin: {discovery: true}", FIX)
    yield from _said_twice(config, mode)


def _said_twice(config: Any, mode: Any) -> Iterator[Fault]:
    where, keys = ("plugin", ("config", "podAnnotations")) if mode == "none" else ("operator", ("devicePlugin",))
    values = getattr(config.gpu, where).values
    for key in keys if values is not BROKEN else ():
        said = values.get(key)
        if said and (where == "plugin" or (isinstance(said, dict) and "config" in said)):
            path = f"gpu.{where}.values.{key}" + ("" if where == "plugin" else ".config")
            yield Fault(path, "says what gpu.sharing says too", "leave one of them out", FIX)
