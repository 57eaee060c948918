"""The operator's toolkit as a plugin of the container runtime: none of its files is written, nobody restarts it."""

from collections.abc import Iterator, Mapping
from typing import Any

from decide import defaults
from decide.flavour import NRI_SINCE
from decide.operator_values import Value
from decide.user_values import number

WHY = (
    "gpu.toolkit: nri: cards get into containers by a plugin of the container runtime, whose settings stay as they are"
)


def values() -> Iterator[Value]:
    """What the operator is told; that devices come by CDI, which this needs, is what its chart says already."""
    yield Value("cdi.nriPluginEnabled", True, WHY)


def problem(version: str, own: Mapping[str, Any]) -> tuple[str, str] | None:
    """Why it cannot be, and what to do: the chart has not heard of it, or its templates refuse."""
    cdi = own.get("cdi")
    if number(version) < number(NRI_SINCE):
        oldest = [one for one in defaults.OPERATOR_VERSIONS if number(one) >= number(NRI_SINCE)][-1]
        return f"{version} knows no such plugin", f"gpu.operator.version: {oldest} or newer"
    if isinstance(cdi, Mapping) and cdi.get("enabled") is False:
        return (
            "hands out devices by CDI, which gpu.operator.values: {cdi: {enabled: false}} turns off",
            "leave that out",
        )
    return None
