"""The setting `validation.framework`, and the rule about it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from decide import framework
from settings.faults import Fault
from settings.kinds import BROKEN, Choice, Text, setting

IMAGE = r"[A-Za-z0-9][A-Za-z0-9._:/-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*|@sha256:[0-9a-f]{64})"


@dataclass(frozen=True)
class Framework:
    """A framework's own check after the CUDA kernel: a multiplication on each card of the pod."""

    kind: str = setting(Choice(framework.KINDS), "kind: pytorch", "Whose check; `own`: your image and script.", "own")
    image: str | None = setting(
        Text("an image with a tag or digest", IMAGE, 512),
        "image: registry.example.com/pytorch:1",
        "Image with that framework and `python3`.",
        None,
        "a public one of the framework",
    )
    script: str | None = setting(
        Text("a Python program", r"[\s\S]*\S[\s\S]*", 8000),
        "script: import mylibrary",
        "For `own`: a Python program that ends well only if all is right.",
        None,
    )

    def plain(self) -> dict[str, Any]:
        """As the components want it."""
        wish = framework.read({"kind": self.kind, "image": self.image, "script": self.script})
        return {"kind": self.kind, "image": wish.image, "script": self.script or ""} if wish else {}


def faults(config: Any, given: set[str]) -> Iterator[Fault]:
    """A check of one's own has both, one of ours brings its script."""
    wish = config.validation.framework
    if wish is None or wish is BROKEN or BROKEN in (wish.kind, wish.image, wish.script):
        return
    for key, example in (("image", "image: registry.example.com/mine:1"), ("script", "script: import mylibrary")):
        if wish.kind == "own" and getattr(wish, key) is None:
            yield Fault(f"validation.framework.{key}", "is missing beside kind: own", example)
    if wish.kind != "own" and wish.script is not None:
        yield Fault("validation.framework.script", f"is ours for {wish.kind}", "kind: own")
