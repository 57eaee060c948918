"""Stands in for the provider of a cloud: resources of an account that lives in the file of the world."""

from __future__ import annotations

import copy
import difflib
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from lab.cloud.kind import Desk, Kind
from lab.cluster.world import World
from lab.provider import CheckFailure, Context, Diff, PartialFailure, Props, Provider, ProviderError
from lab.values import UNKNOWN, covers, diff_paths, parse_path, secrets_like, show_path, unwrap

Call = Callable[[Desk, Props], Props]
SLOW = 20.0
"""How many times longer everything takes where the cloud is slow."""


class CloudProvider(Provider):
    """One package; what its types mean stands in two tables."""

    def __init__(self, package: str, world: World, kinds: Mapping[str, Kind], calls: Mapping[str, Call]) -> None:
        self.package, self.world, self.kinds, self.calls = package, world, kinds, calls

    @contextmanager
    def _desk(self, ctx: Context) -> Iterator[Desk]:
        with self.world.open() as cluster:
            yield Desk(cluster, ctx, self.world)

    def _kind(self, ctx: Context) -> Kind:
        if ctx.type not in self.kinds:
            close = difflib.get_close_matches(ctx.type, self.kinds, 1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise ProviderError(f"the rehearsal has no {ctx.type}{hint}")
        return self.kinds[ctx.type]

    # The provider resource itself: whatever it says, there is one account.

    def check_config(self, news: Props) -> list[CheckFailure]:
        return []

    def diff_config(self, olds: Props, news: Props) -> Diff:
        return Diff(tuple(show_path(path) for path in diff_paths(unwrap(olds), unwrap(news))))

    # Resources

    def check(self, ctx: Context, olds: Props | None, news: Props) -> tuple[Props, list[CheckFailure]]:
        """Misspelt keys, what is missing, and what the type itself refuses; gives a name where there is none."""
        kind, inputs = self._kind(ctx), copy.deepcopy(news)
        faults = [_unknown(key, kind) for key in inputs if key not in kind.inputs]
        if kind.name_key and kind.name_key in kind.inputs and inputs.get(kind.name_key) is None:
            before = (olds or {}).get(kind.name_key)
            inputs[kind.name_key] = before or f"{ctx.name}-{secrets.token_hex(4)[:7]}"
        faults += [CheckFailure(key, "is missing") for key in kind.required if inputs.get(key) is None]
        return inputs, [*faults, *kind.check(unwrap(inputs))]

    def diff(self, ctx: Context, id: str, old_inputs: Props, old_outputs: Props, new_inputs: Props) -> Diff:
        """A name that the program chose cannot be there twice: then the old one goes first."""
        kind = self._kind(ctx)
        paths = diff_paths(unwrap(old_inputs), unwrap(new_inputs))
        forced = [path for path in paths if any(_touches(path, one) for one in kind.replaces)]
        same = bool(kind.name_key) and old_inputs.get(kind.name_key) == new_inputs.get(kind.name_key)
        return Diff(tuple(map(show_path, paths)), tuple(map(show_path, forced)), bool(forced) and same)

    def create(self, ctx: Context, inputs: Props) -> tuple[str, Props]:
        kind = self._kind(ctx)
        if ctx.preview:
            return "", {**copy.deepcopy(inputs), **dict.fromkeys(kind.computed, UNKNOWN)}
        plain = unwrap(inputs)
        with self._desk(ctx) as desk:
            kind.before_create(desk, plain)
            id = kind.id_of(desk, plain)
        self._spend(ctx, kind, "create")
        return id, self._settled(ctx, kind, id, inputs)

    def _settled(self, ctx: Context, kind: Kind, id: str, inputs: Props) -> Props:
        """Notes the resource and lets the world feel it; what fails half-way stays noted."""
        plain = unwrap(inputs)
        failed: PartialFailure | None = None
        with self._desk(ctx) as desk:
            desk.resources[id] = {"type": ctx.type, "inputs": plain}
            desk.cluster.changed = True
            outputs: Props = secrets_like({**plain, **kind.outputs(desk, id, plain)}, inputs)
            try:
                kind.made(desk, id, plain)
            except PartialFailure as failure:
                failed = PartialFailure(str(failure), id, outputs, failure.reasons)
        if failed:
            raise failed
        return outputs

    def update(self, ctx: Context, id: str, old_inputs: Props, old_outputs: Props, new_inputs: Props) -> Props:
        kind = self._kind(ctx)
        if ctx.preview:
            return {**copy.deepcopy(old_outputs), **copy.deepcopy(new_inputs)}
        self._spend(ctx, kind, "update")
        return self._settled(ctx, kind, id, new_inputs)

    def delete(self, ctx: Context, id: str, inputs: Props, outputs: Props) -> None:
        kind, plain = self._kind(ctx), unwrap(inputs)
        with self._desk(ctx) as desk:
            if id not in desk.resources:
                return
            kind.before_delete(desk, id, plain)
        self._spend(ctx, kind, "delete")
        with self._desk(ctx) as desk:
            desk.resources.pop(id, None)
            desk.cluster.changed = True
            kind.gone(desk, id, plain)

    def read(self, ctx: Context, id: str, inputs: Props, outputs: Props) -> tuple[Props, Props] | None:
        kind = self._kind(ctx)
        with self._desk(ctx) as desk:
            known = desk.resources.get(id)
            if known is None:
                return None
            found = secrets_like(known["inputs"], inputs)
            return found, {**found, **kind.outputs(desk, id, known["inputs"])}

    def invoke(self, ctx: Context, token: str, args: Props) -> Props:
        if token not in self.calls:
            raise ProviderError(f"the rehearsal has no function {token}")
        with self._desk(ctx) as desk:
            return self.calls[token](desk, unwrap(args))

    def _spend(self, ctx: Context, kind: Kind, what: str) -> None:
        """Lets the time pass; says so where it is long, and gives up where the program gave less."""
        with self._desk(ctx) as desk:
            seconds = kind.seconds[what] * (SLOW if desk.fault == "slow" else 1.0)
        limit = ctx.timeout or float("inf")
        if seconds >= 60:
            ctx.say(f"the cloud works on it ({min(seconds, limit) / 60:.0f} min)")
        self.world.clock.sleep(min(seconds, limit))
        if seconds > limit:
            raise ProviderError(f"timeout while waiting for state to become 'DONE' ({what}, timeout: {limit:.0f}s)")


def _unknown(key: str, kind: Kind) -> CheckFailure:
    close = difflib.get_close_matches(key, kind.inputs, 1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return CheckFailure(key, f"there is no such property{hint}")


def _touches(path: tuple[object, ...], pattern: str) -> bool:
    """Whether what changed is the pattern, lies in it, or holds it."""
    wanted = parse_path(pattern)
    return covers(wanted, path) or (covers(path, wanted[: len(path)]) and len(path) < len(wanted))
