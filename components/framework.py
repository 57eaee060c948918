"""The container of a validation pod that asks a framework."""

from collections.abc import Mapping
from typing import Any, TypedDict

import pulumi
import pulumi_kubernetes as kubernetes
from typing_extensions import NotRequired

from decide import framework, images

AT_HOME = images.Images()


class Framework(TypedDict):
    """A framework's own check after the CUDA kernel."""

    kind: NotRequired[str]
    """`pytorch`, `tensorflow` or `own`. Default: own"""
    image: NotRequired[str]
    """Image with that framework and `python3`."""
    script: NotRequired[str]
    """For `own`: a Python program that ends well only if all is right."""


def container(
    wish: Mapping[str, Any] | None, common: Mapping[str, Any], source: images.Images = AT_HOME
) -> list[kubernetes.core.v1.ContainerArgs]:
    """One, or none where no framework is asked."""
    asked = framework.read(wish)
    if asked is None:
        return []
    if not (asked.image and asked.script) or (wish or {}).get("kind", "own") not in framework.KINDS:
        known = " or ".join(framework.KINDS)
        raise pulumi.InputPropertyError("framework", f"kind {known} belongs here, and for own an image and a script")
    home = kubernetes.core.v1.EnvVarArgs(name="HOME", value="/tmp")  # whoever runs there has none
    return [
        kubernetes.core.v1.ContainerArgs(
            name=framework.NAME, image=images.placed(asked.image, source), command=asked.command, env=[home], **common
        )
    ]
