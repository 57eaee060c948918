"""The operator's toolkit as an NRI plugin: wherever containerd is, and without a RuntimeClass."""

from collections.abc import Mapping
from typing import Any

import pulumi

from components.choices import BroughtBy, GpuChoices, owned, text
from decide.operator_values import Value
from decide.ownership import Owner


def by_nri(gpu: GpuChoices) -> bool:
    """Whether it is that."""
    return text(gpu.get("toolkit")) == BroughtBy.NRI.value and owned(gpu).toolkit.owner is Owner.OPERATOR


def nri_values(version: str, own: Mapping[str, Any]) -> list[Value]:
    """What the operator is told, beside a user's own values."""
    from decide import nri  # what a stack does not use, its start shall not pay for

    found = nri.problem(version, own)
    if found:
        raise pulumi.InputPropertyError("gpu.toolkit", ". Right: ".join(found))
    return list(nri.values())
