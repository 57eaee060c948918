"""A provider small enough to be served to the real engine too: its things lie in a place that the provider is told.

`python -m tests.contract.engine.thing` is what an executable named `pulumi-resource-thing` on PATH runs.
"""

from __future__ import annotations

from pathlib import Path

from lab.engine_backends import Plain
from lab.plugin import serve
from lab.provider import Context, Diff, Props, ProviderError
from lab.values import diff_paths, show_path


class ThingProvider(Plain):
    """Another `where` of the provider means other things; a thing may refuse to be made in one of the places."""

    package = "thing"

    def create(self, ctx: Context, inputs: Props) -> tuple[str, Props]:
        if ctx.preview:
            return "", inputs
        _trace(ctx, "create")
        if inputs.get("refuses") == ctx.config["where"] and not Path("ok").exists():
            raise ProviderError(f"{ctx.name} refuses to be made in {inputs['refuses']}")
        return f"{ctx.name}-lies-in-{ctx.config['where']}", inputs

    def update(self, ctx: Context, id: str, old_inputs: Props, old_outputs: Props, new_inputs: Props) -> Props:
        if not ctx.preview:
            _trace(ctx, "update")
        return new_inputs

    def delete(self, ctx: Context, id: str, inputs: Props, outputs: Props) -> None:
        _trace(ctx, "delete")

    def diff_config(self, olds: Props, news: Props) -> Diff:
        changed = tuple(show_path(path) for path in diff_paths(olds, news))
        return Diff(changed, tuple(path for path in changed if path == "where"))


def _trace(ctx: Context, what: str) -> None:
    with Path("trace.log").open("a") as file:
        print(what, ctx.name, "in", ctx.config["where"], file=file)


if __name__ == "__main__":
    serve(ThingProvider())
