"""RuntimeClass `nvidia` where it is ours, made once an operator's own has gone."""

import asyncio
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi import ResourceOptions

from components.choices import OURS, STACK, this_stack
from decide import defaults

TAKEN = "already exists"
PAUSE_SECONDS = 2.0
MOST_TRIES = 30
"""A minute in all: the garbage collector of a busy cluster takes seconds."""


def runtime_class(
    name: str, space: kubernetes.core.v1.Namespace | None, parent: pulumi.Resource
) -> kubernetes.node.v1.RuntimeClass:
    """An operator makes one of the same name: ours goes with the plugin's namespace, before that comes.

    The other way round theirs follows its ClusterPolicy, later than the namespace that we wait for. One that is
    somebody else's was refused by the look, so that whatever is in the way here is about to go.
    """
    patience = pulumi.ErrorHook(f"{name}-runtime-class-patience", is_about_to_go)
    return kubernetes.node.v1.RuntimeClass(
        f"{name}-runtime-class",
        metadata=kubernetes.meta.v1.ObjectMetaArgs(
            name=defaults.RUNTIME_CLASS, labels=OURS, annotations={STACK: this_stack()}
        ),
        handler=defaults.RUNTIME_CLASS,
        opts=ResourceOptions(
            parent=parent,
            depends_on=[space] if space else [],
            replace_with=[space] if space else [],
            hooks=pulumi.ResourceHookBinding(on_error=[patience]),
        ),
    )


async def is_about_to_go(asked: Any) -> bool:
    """Whether to try once more, after a pause."""
    if asked.failed_operation != "create" or TAKEN not in str(asked.errors[0]) or len(asked.errors) >= MOST_TRIES:
        return False
    await asyncio.sleep(PAUSE_SECONDS)
    return True
