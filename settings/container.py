"""The settings of images, proxy and driver container, and the rules about them."""
# ruff: noqa: RUF009 - setting() is dataclasses.field() with metadata

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from decide import driver_container
from decide.ownership import Owner, Ownership
from settings.faults import FIX, Fault
from settings.kinds import BROKEN, Choice, Count, Flag, ListOf, Section, Text, setting

NAME = r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?"
REGISTRY = r"[A-Za-z0-9][A-Za-z0-9.-]*(:\d{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"
URL = r"https?://[A-Za-z0-9.-]+(:\d{1,5})?/?"
SHARE = r"[1-9]\d?%|100%|[1-9]\d{0,3}"


@dataclass(frozen=True)
class Images:
    """Where images come from."""

    registry: str | None = setting(
        Text("a registry without https://", REGISTRY),
        "registry: registry.example.com/mirror",
        "A mirror that has each image under the path that it has at home (`nvcr.io/nvidia/...` as "
        "`REGISTRY/nvidia/...`): those of operator or plugin, of node feature discovery, and of the proof. "
        "Images that you name are left as they are.",
        None,
        "each image's own",
    )
    pull_secrets: tuple[str, ...] = setting(
        ListOf(Text("the name of a secret", NAME)),
        "pullSecrets: [registry]",
        "Secrets by name, by which nodes may pull there; they have to be in each namespace that pods run in.",
        (),
    )

    def plain(self) -> dict[str, Any]:
        """As the components want it, without what was not said."""
        said = {"registry": self.registry, "pull_secrets": list(self.pull_secrets)}
        return {key: value for key, value in said.items() if value}


@dataclass(frozen=True)
class Proxy:
    """By which way out the driver container fetches packages. Without user and password: it stands in clear."""

    http: str | None = setting(
        Text("an address without user", URL), "http: http://proxy.example.com:3128", "For http.", None, "as https"
    )
    https: str | None = setting(
        Text("an address without user", URL), "https: http://proxy.example.com:3128", "For https.", None, "as http"
    )
    no: tuple[str, ...] = setting(
        ListOf(Text("a name, address or range", r"[A-Za-z0-9.:/*_-]+")),
        "no: [10.0.0.0/8]",
        f"What is reached without it, beside {', '.join(driver_container.INSIDE)}.",
        (),
    )

    def plain(self) -> dict[str, Any]:
        """As the components want it, without what was not said."""
        said = {"http": self.http, "https": self.https, "no": list(self.no)}
        return {key: value for key, value in said.items() if value}


@dataclass(frozen=True)
class Upgrades:
    """How the operator brings its driver containers to another version."""

    auto: bool | None = setting(
        Flag(), "auto: false", "Whether it does at all; else a node keeps its driver until its pod is deleted.", None
    )
    parallel: int | None = setting(Count(1, 1000, "nodes"), "parallel: 1", "How many nodes at once.", None)
    unavailable: str | None = setting(
        Text("a number or a share of nodes", SHARE), "unavailable: 25%", "How many may be out of work at a time.", None
    )
    drain: bool | None = setting(Flag(), "drain: true", "Whether nodes are drained for it.", None)

    def plain(self) -> dict[str, Any]:
        """As the components want it, without what was not said."""
        return {key: value for key, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class DriverContainer:
    """The operator's driver container."""

    modules: str | None = setting(
        Choice(driver_container.MODULES), "modules: open", "Flavour of the kernel modules.", None, "the chart's, auto"
    )
    precompiled: int | None = setting(
        Count(100, 9999),
        "precompiled: 580",
        "Driver branch whose images have ready modules for the kernels of Ubuntu: nothing is built on nodes.",
        None,
        "built on the node",
    )
    secure_boot: bool = setting(
        Flag(), "secureBoot: true", "That nodes boot with Secure Boot: what cannot work there is refused.", False
    )
    upgrades: Upgrades | None = setting(
        Section(Upgrades), "upgrades: {parallel: 1}", "How it comes to another version.", None, "the chart's"
    )

    def plain(self) -> dict[str, Any]:
        """As the components want it, without what was not said."""
        upgrades = self.upgrades.plain() if self.upgrades else {}
        said = {"modules": self.modules, "precompiled": self.precompiled, "upgrades": upgrades}
        return {key: value for key, value in {**said, "secure_boot": self.secure_boot}.items() if value}


def plain(gpu: Any) -> dict[str, Any]:
    """What was said of the three, as the components want it."""
    said = {"images": gpu.images, "proxy": gpu.proxy, "driver_container": gpu.driver_container}
    return {key: one.plain() for key, one in said.items() if one and one.plain()}


def told(config: Any) -> tuple[str, ...]:
    """What somebody else has to bring."""
    names = config.gpu.images.pull_secrets if config.gpu.images else ()
    if not names:
        return ()
    missing = f"{', '.join(names)} in each namespace that up makes; pods wait there until somebody creates it"
    return (f"gpu.images.pullSecrets: {missing}",)


def faults(config: Any, decided: Any) -> Iterator[Fault]:
    """What has no effect here, or does not go together."""
    gpu = config.gpu
    if isinstance(decided, Ownership) and decided.driver.owner is not Owner.OPERATOR:
        for key, one in (("proxy", gpu.proxy), ("driverContainer", gpu.driver_container)):
            if one is not None and one is not BROKEN:
                problem = (
                    f"is about the operator's driver container, and the driver belongs to: {decided.driver.owner.value}"
                )
                yield Fault(f"gpu.{key}", problem, f"leave {key} out", FIX)
        return
    yield from _of_proxy(gpu)
    yield from _of_container(gpu)


def _of_proxy(gpu: Any) -> Iterator[Fault]:
    proxy = gpu.proxy
    if proxy is None or BROKEN in (proxy, proxy.http, proxy.https):
        return
    if not (proxy.http or proxy.https):
        yield Fault("gpu.proxy", "names no proxy", "proxy: {http: http://proxy.example.com:3128}", FIX)


def _of_container(gpu: Any) -> Iterator[Fault]:
    wish, own = gpu.driver_container, gpu.operator.values
    if wish is None or BROKEN in (wish, own) or BROKEN in vars(wish).values():
        return
    if wish.upgrades and BROKEN in vars(wish.upgrades).values():
        return
    for one in driver_container.faults(wish.plain(), own):
        yield Fault(f"gpu.driverContainer.{one.path}", one.problem, one.fix, FIX)
    version = own.get("driver", {}).get("version") if isinstance(own.get("driver"), Mapping) else None
    if wish.precompiled and version:
        path = "gpu.operator.values.driver.version"
        yield Fault(path, "says what gpu.driverContainer.precompiled says too", "leave one of them out", FIX)
