"""What the operator's driver container is told, checked by the same rules as a stack file."""

from collections.abc import Mapping
from typing import Any

import pulumi

from components.choices import GpuChoices, count, text
from decide import driver_container
from decide.operator_values import Value
from decide.ownership import Owner, Ownership


def container_values(gpu: GpuChoices, who: Ownership, own: Mapping[str, Any]) -> list[Value]:
    """Helm values; refuses what has no effect or does not go together."""
    asked, proxy = gpu.get("driver_container"), gpu.get("proxy")
    if not (asked or proxy):
        return []
    if who.driver.owner is not Owner.OPERATOR:
        path = "driverContainer" if asked else "proxy"
        raise pulumi.InputPropertyError(
            path, f"is for the operator's driver; here it belongs to {who.driver.owner.value}"
        )
    if proxy is not None and not (proxy.get("http") or proxy.get("https")):
        raise pulumi.InputPropertyError("proxy", "http or https belongs here")
    wish = _plain(asked or {})
    for fault in driver_container.faults(wish, own):
        raise pulumi.InputPropertyError(f"driverContainer.{fault.path}", f"{fault.problem}. Right: {fault.fix}")
    return list(driver_container.values(wish, proxy))


def _plain(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Other languages send whole numbers as floats."""
    known = {**asked, **({"modules": text(asked["modules"])} if asked.get("modules") else {})}
    if known.get("modules") not in (None, *driver_container.MODULES):
        words = " or ".join(driver_container.MODULES)
        raise pulumi.InputPropertyError("driverContainer.modules", f"{words} belongs here, got {known['modules']!r}")
    if known.get("precompiled"):
        known["precompiled"] = count("driverContainer.precompiled", known["precompiled"])
    upgrades = dict(known.get("upgrades") or {})
    if "parallel" in upgrades:
        upgrades["parallel"] = count("driverContainer.upgrades.parallel", upgrades["parallel"])
    return {**known, "upgrades": upgrades}
