"""What is said of a release that Helm does not go on with."""

from collections.abc import Callable
from typing import Any

import pulumi

from decide.helm_failures import explained


def helm_words(prefix: str, namespace: str, name: str) -> pulumi.ResourceHookBinding:
    """A hook that says what to do, and never tries again: only people know whether somebody is at it just now."""
    return pulumi.ResourceHookBinding(on_error=[pulumi.ErrorHook(f"{prefix}-helm-words", said(namespace, name))])


def said(namespace: str, name: str) -> Callable[[Any], bool]:
    """Of the newest error."""

    def explain(asked: Any) -> bool:
        if lines := explained(str(next(iter(asked.errors), "")), namespace, name):
            pulumi.log.error("\n".join(lines))
        return False

    return explain
