"""A provider for tests of the engine: its world is a dict, and it can be told to fail."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from typing import Any

import pulumi

from lab.engine import Engine, Result
from lab.provider import CheckFailure, Context, Diff, PartialFailure, Props, ProviderError
from lab.state import MemoryStore, Store
from lab.values import UNKNOWN, diff_paths, show_path, unwrap

KNOWN = {"text", "fixed", "first", "deep", "token"}


class Thing(pulumi.CustomResource):
    """`fixed` replaces, `first` replaces after deletion, everything else is an update; output `size`."""

    size: pulumi.Output[int]

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None, **props: Any) -> None:
        super().__init__("toy:index:Thing", name, {"size": None, **props}, opts)


class Group(pulumi.ComponentResource):
    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("demo:index:Group", name, {}, opts)


class ToyProvider(pulumi.ProviderResource):
    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None, **props: Any) -> None:
        super().__init__("toy", name, props, opts)


class Toy:
    package = "toy"

    def __init__(self) -> None:
        self.world: dict[str, Props] = {}
        self.calls: list[tuple[str, str]] = []
        self.contexts: list[Context] = []
        self.failing: set[tuple[str, str]] = set()
        self.partly: set[tuple[str, str]] = set()
        self.during: Callable[[str, Context], None] = lambda operation, ctx: None
        self._lock = threading.Lock()

    def _called(self, operation: str, ctx: Context) -> None:
        with self._lock:
            self.calls.append((operation, ctx.name))
            self.contexts.append(ctx)
        self.during(operation, ctx)
        if (operation, ctx.name) in self.failing:
            raise ProviderError(f"cannot {operation} {ctx.name}")

    def _outputs(self, inputs: Props) -> Props:
        return {**inputs, "size": len(str(unwrap(inputs.get("text", ""))))}

    def _partial(self, operation: str, ctx: Context, id: str, inputs: Props) -> Props:
        outputs = self._outputs(inputs)
        self.world[id] = outputs
        if (operation, ctx.name) in self.partly:
            raise PartialFailure(f"{ctx.name} is made, but not well", id, outputs, ["not ready"])
        return outputs

    def check(self, ctx: Context, olds: Props | None, news: Props) -> tuple[Props, list[CheckFailure]]:
        if ctx.type != "toy:index:Thing":
            return news, [CheckFailure("", f"there is no type {ctx.type}")]
        return news, [CheckFailure(key, "is unknown") for key in news if key not in KNOWN]

    def diff(self, ctx: Context, id: str, old_inputs: Props, old_outputs: Props, new_inputs: Props) -> Diff:
        changed = tuple(show_path(path) for path in diff_paths(old_inputs, new_inputs))
        replaces = tuple(path for path in changed if path in ("fixed", "first"))
        return Diff(changed, replaces, "first" in changed)

    def create(self, ctx: Context, inputs: Props) -> tuple[str, Props]:
        if ctx.preview:
            return "", {**inputs, "size": UNKNOWN}
        self._called("create", ctx)
        id = uuid.uuid4().hex
        return id, self._partial("create", ctx, id, inputs)

    def update(self, ctx: Context, id: str, old_inputs: Props, old_outputs: Props, new_inputs: Props) -> Props:
        if ctx.preview:
            return {**new_inputs, "size": UNKNOWN}
        self._called("update", ctx)
        return self._partial("update", ctx, id, new_inputs)

    def delete(self, ctx: Context, id: str, inputs: Props, outputs: Props) -> None:
        self._called("delete", ctx)
        self.world.pop(id, None)

    def read(self, ctx: Context, id: str, inputs: Props, outputs: Props) -> tuple[Props, Props] | None:
        self._called("read", ctx)
        if id not in self.world:
            return None
        found = self.world[id]
        return {key: found[key] for key in found if key != "size"}, found

    def invoke(self, ctx: Context, token: str, args: Props) -> Props:
        if token != "toy:index:double":
            raise ProviderError(f"there is no function {token}")
        return {"text": args["text"] * 2, "config": dict(ctx.config)}

    def check_config(self, news: Props) -> list[CheckFailure]:
        return [CheckFailure(key, "is unknown") for key in news if key not in ("place", "speed")]

    def diff_config(self, olds: Props, news: Props) -> Diff:
        changed = tuple(key for key in {*olds, *news} if olds.get(key) != news.get(key))
        return Diff(changed, tuple(key for key in changed if key == "place"))


class Bench:
    """One stack with a toy provider, and short words for what tests do with it."""

    def __init__(self, store: Store | None = None, **options: Any) -> None:
        self.toy, self.store = Toy(), store or MemoryStore()
        self.engine = Engine("toys", "dev", self.store, [self.toy], **options)

    def up(self, program: Callable[[], Any], **options: Any) -> Result:
        return self.engine.run("up", program, **options)

    def preview(self, program: Callable[[], Any], **options: Any) -> Result:
        return self.engine.run("preview", program, **options)

    def steps(self, result: Result) -> list[str]:
        return [f"{op} {name}" for op, type, name in result.steps if type == "toy:index:Thing"]

    def kept(self, field: str = "inputs") -> dict[str, Any]:
        resources = self.store.load()["resources"]
        return {entry["urn"].rpartition("::")[2]: entry.get(field) for entry in resources}
