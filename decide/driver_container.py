"""The operator's driver container: which modules it brings, how it gets what it downloads, how it is upgraded."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from decide.operator_values import Value

MODULES = ("auto", "open", "proprietary")
# Branches of which NVIDIA publishes images with ready modules for Ubuntu (operator 26.7's list, read August 2026).
PRECOMPILED = (580, 595)
INSIDE = ("localhost", "127.0.0.1", ".svc", ".cluster.local")
"""What no proxy is asked for."""
UPGRADES = {
    "auto": "autoUpgrade",
    "parallel": "maxParallelUpgrades",
    "unavailable": "maxUnavailable",
    "drain": "drain.enable",
}


class Fault(NamedTuple):
    """A wish that cannot be: where, what is wrong, and what to do."""

    path: str
    problem: str
    fix: str


def values(wish: Mapping[str, Any] | None, proxy: Mapping[str, Any] | None) -> Iterator[Value]:
    """What the chart is told, each with its reason; nothing of what was not said."""
    said, why = wish or {}, "gpu.driverContainer"
    if said.get("modules"):
        yield Value("driver.kernelModuleType", said["modules"], f"{why}.modules")
    if said.get("precompiled"):
        yield Value("driver.usePrecompiled", True, f"{why}.precompiled: modules made beforehand, for Ubuntu's kernels")
        yield Value("driver.version", str(said["precompiled"]), f"{why}.precompiled: such images are known by branch")
    for key, path in UPGRADES.items():
        if (said.get("upgrades") or {}).get(key) is not None:
            yield Value(f"driver.upgradePolicy.{path}", said["upgrades"][key], f"{why}.upgrades.{key}")
    if proxy:
        yield Value("driver.env", _variables(proxy), "gpu.proxy: that container fetches packages; no other one does")


def _variables(proxy: Mapping[str, Any]) -> list[dict[str, str]]:
    """In both spellings: programs differ in which they read."""
    https = proxy.get("https") or proxy["http"]
    told = {"HTTP_PROXY": proxy.get("http") or https, "HTTPS_PROXY": https}
    told["NO_PROXY"] = ",".join([*INSIDE, *(proxy.get("no") or ())])
    return [{"name": spelt, "value": told[key]} for key in told for spelt in (key, key.lower())]


def faults(wish: Mapping[str, Any], own: Mapping[str, Any]) -> Iterator[Fault]:
    """What does not go together, with the user's own values of the chart beside."""
    branch, upgrades = wish.get("precompiled"), wish.get("upgrades") or {}
    if branch and branch not in PRECOMPILED:
        known = " or ".join(str(one) for one in PRECOMPILED)
        yield Fault("precompiled", f"no precompiled images of branch {branch} are known here", f"precompiled: {known}")
    if branch and wish.get("modules") not in (None, "auto"):
        problem = "beside precompiled: whether an image with ready modules heeds it is not known here"
        yield Fault("modules", problem, "leave modules or precompiled out")
    if wish.get("secure_boot") and not branch:
        problem = "and the driver container builds its modules on the node: nobody has signed them, so they are refused"
        yield Fault("secureBoot", problem, "precompiled: 580, whose modules Ubuntu signs; or gpu.driver: preinstalled")
    for part in ("gds", "gdrcopy"):
        if branch and isinstance(own.get(part), Mapping) and own[part].get("enabled"):
            problem = f"beside gpu.operator.values.{part}: its module is built against a driver that is built too"
            yield Fault("precompiled", problem, "leave one of them out")
    if upgrades.get("auto") is False and any(upgrades.get(key) is not None for key in ("parallel", "unavailable")):
        yield Fault(
            "upgrades", "says how many at once, and auto: false upgrades none", "leave parallel and unavailable out"
        )
    if upgrades.get("auto") is False and upgrades.get("drain"):
        yield Fault("upgrades.drain", "has no effect with auto: false", "leave drain out")
