"""The settings of `gpu`: who brings what onto the nodes, and how cards are shared."""
# ruff: noqa: RUF009 - setting() is dataclasses.field() with metadata

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from decide import defaults
from decide.ownership_dra import ALLOCATIONS, DEVICE_PLUGIN
from settings.container import DriverContainer, Images, Proxy
from settings.kinds import BROKEN, Choice, Count, Flag, Section, Text, Tree, setting
from settings.sharing import OneForAll, Sharing

NAMESPACE = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
_seconds = Count(defaults.SHORTEST_TIMEOUT_SECONDS, defaults.LONGEST_TIMEOUT_SECONDS, "seconds")


def _chart_version(what: str, newest: str, known: tuple[str, ...]) -> Any:
    return setting(
        Choice(known),
        f"version: {newest}",
        f"Version of the chart: {', '.join(known)}. Without it a running {what} is never moved.",
        None,
        f"{newest} at the first install",
    )


def _helm_seconds() -> Any:
    return setting(
        _seconds,
        f"timeoutSeconds: {defaults.OPERATOR_TIMEOUT_SECONDS}",
        "How long Helm may take to install, upgrade or remove the release.",
        defaults.OPERATOR_TIMEOUT_SECONDS,
    )


def _chart_values(right: str) -> Any:
    about = "Values for the chart beside the derived ones; each key is checked against the chart."
    return setting(Tree(), right, about, {})


@dataclass(frozen=True)
class Operator:
    """The GPU operator. `operator: install` alone says the same as `operator: {mode: install}`."""

    mode: str = setting(
        Choice(("install", "external", "none")),
        "mode: external",
        "`install`: we install it. `external`: it is there already; nothing is installed, the validation proves it. "
        "`none`: the device plugin alone (`gpu.plugin`), or what the platform hands out cards with (target `gke`).",
        "install",
        "install; with target gke and gpu.driver: platform none",
    )
    version: str | None = _chart_version("operator", defaults.OPERATOR_VERSION, defaults.OPERATOR_VERSIONS)
    namespace: str = setting(
        Text("the name of a namespace", NAMESPACE, 63),
        f"namespace: {defaults.OPERATOR_NAMESPACE}",
        "Namespace of the operator: made by us, or where the external one runs.",
        defaults.OPERATOR_NAMESPACE,
    )
    remove_crds: bool = setting(
        Flag(),
        "removeCrds: true",
        "Whether destroy takes the custom resource definitions away too, and with them every object of their kinds.",
        False,
    )
    timeout_seconds: int = _helm_seconds()
    values: Mapping[str, Any] = _chart_values("values: {dcgmExporter: {enabled: false}}")


@dataclass(frozen=True)
class Plugin:
    """NVIDIA's device plugin alone, with `operator: none`."""

    version: str | None = _chart_version("plugin", defaults.PLUGIN_VERSION, defaults.PLUGIN_VERSIONS)
    discovery: bool = setting(
        Flag(),
        "discovery: true",
        "Whether GPU and node feature discovery come along: labels on each node that say what its card is.",
        False,
    )
    timeout_seconds: int = _helm_seconds()
    values: Mapping[str, Any] = _chart_values("values: {deviceIDStrategy: index}")


@dataclass(frozen=True)
class DraDriver:
    """NVIDIA's DRA driver alone, with `allocation: dra`."""

    version: str | None = _chart_version("driver", defaults.DRA_VERSION, defaults.DRA_VERSIONS)
    timeout_seconds: int = _helm_seconds()
    values: Mapping[str, Any] = _chart_values('values: {logVerbosity: "6"}')


@dataclass(frozen=True)
class Gpu:
    """What makes nodes GPU-ready, and who brings it."""

    operator: Operator = setting(
        Section(Operator, short="mode"), "operator: install", "The GPU operator.", Operator(), "install"
    )
    plugin: Plugin = setting(
        Section(Plugin), "plugin: {discovery: true}", "The device plugin alone, with `operator: none`.", Plugin(), "{}"
    )
    allocation: str = setting(
        Choice(ALLOCATIONS),
        "allocation: dra",
        "How pods get cards. `devicePlugin`: by limits. `dra`: by claims, of NVIDIA's DRA driver alone: target "
        "`cluster` with `operator: none`. Never both on a node.",
        DEVICE_PLUGIN,
    )
    dra_driver: DraDriver = setting(
        Section(DraDriver), f"draDriver: {{version: {defaults.DRA_VERSION}}}", "The DRA driver.", DraDriver(), "{}"
    )
    driver: str | None = setting(
        Choice(("operator", "preinstalled", "platform")),
        "driver: preinstalled",
        "`operator`: its driver container. `preinstalled`: on the hosts. Only target `cluster`, `operator: install`. "
        "With target `gke`: `platform` (GKE brings driver and plugin) or `operator` (the operator brings both).",
        None,
        "operator; with target gke platform",
    )
    toolkit: str | None = setting(
        Choice(("operator", "nri", "preinstalled")),
        "toolkit: preinstalled",
        "Likewise for the container toolkit. `nri`: the operator's, as a plugin of the container runtime, of which no "
        "settings are written and which nobody restarts (k0s, k3s, RKE2); pods then name no RuntimeClass.",
        None,
        "operator",
    )
    sharing: Sharing = setting(
        OneForAll(Sharing, short="mode"),
        "sharing: {timeSlicing: {replicas: 4}}",
        "Whether several pods share a card.",
        Sharing(),
        "none",
    )
    images: Images | None = setting(
        Section(Images), "images: {registry: registry.example.com}", "Where images come from.", None
    )
    proxy: Proxy | None = setting(
        Section(Proxy), "proxy: {http: http://proxy.example.com:3128}", "The way out of the driver container.", None
    )
    driver_container: DriverContainer | None = setting(
        Section(DriverContainer),
        "driverContainer: {modules: open}",
        "The operator's driver container, with `gpu.driver: operator`.",
        None,
    )
    runtime_class: str | None = setting(
        Choice(("ours", "external", "none")),
        "runtimeClass: ours",
        "RuntimeClass `nvidia`. `ours`: by our operator, or by us. `external`: there already. "
        "`none`: not needed, nvidia is the default runtime of the nodes.",
        None,
        "external with operator: external, else ours",
    )

    def without_operator(self) -> "Gpu":
        """The same with the plugin alone, or a platform's own."""
        return self if self.operator is BROKEN else replace(self, operator=replace(self.operator, mode="none"))
