"""What a resource type of a cloud is: what it takes, what a change of it means, and what its life does to the world."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from lab.cluster.world import Simulated, World
from lab.provider import CheckFailure, Context, Props


@dataclass(frozen=True)
class Desk:
    """Where a request is worked on: the account, with the one cluster of this world behind it."""

    cluster: Simulated
    ctx: Context
    world: World

    @property
    def resources(self) -> dict[str, Props]:
        """Everything that was made in this account: id -> `type`, `inputs`."""
        return self.cluster.data.setdefault("cloud", {})  # type: ignore[no-any-return]

    @property
    def fault(self) -> str:
        """What goes wrong in this cloud just now."""
        return str(self.cluster.spec["cloud"]["fault"])

    def of_type(self, token: str) -> dict[str, Props]:
        """Inputs of all resources of a type, by id."""
        return {id: one["inputs"] for id, one in self.resources.items() if one["type"] == token}


Refuse = Callable[[Desk, Props], None]
"""Raises `ProviderError` in the cloud's own words."""


def nothing(*_: object) -> None:
    """What most kinds do to the cluster."""


def no_faults(_inputs: Props) -> Iterator[CheckFailure]:
    """What most kinds have against inputs whose keys are known."""
    return iter(())


@dataclass(frozen=True)
class Kind:
    """One resource type."""

    inputs: frozenset[str]
    """The keys that it takes."""
    id_of: Callable[[Desk, Props], str]
    outputs: Callable[[Desk, str, Props], Props] = lambda _desk, _id, _inputs: {}
    """What it has beside its inputs."""
    computed: tuple[str, ...] = ()
    """The keys of those, unknown in a preview."""
    replaces: tuple[str, ...] = ()
    """Paths whose change makes a new one."""
    required: tuple[str, ...] = ()
    name_key: str = "name"
    """Named by the provider where the program does not; empty: it has no name."""
    check: Callable[[Props], Iterator[CheckFailure]] = no_faults
    before_create: Refuse = nothing
    before_delete: Callable[[Desk, str, Props], None] = nothing
    made: Callable[[Desk, str, Props], None] = nothing
    """Lets the world feel that it is there, or was changed; may raise `PartialFailure`."""
    gone: Callable[[Desk, str, Props], None] = nothing
    seconds: Mapping[str, float] = field(default_factory=lambda: {"create": 5.0, "update": 5.0, "delete": 5.0})


def digits(text: str, count: int) -> str:
    """Digits that look given by a cloud, and are the same in each rehearsal."""
    return str(int(hashlib.sha256(text.encode()).hexdigest(), 16))[:count]


def authority(text: str) -> str:
    """What stands for a certificate authority: base64, as clouds give it."""
    import base64

    lines = f"-----BEGIN CERTIFICATE-----\n{hashlib.sha256(text.encode()).hexdigest()}\n-----END CERTIFICATE-----\n"
    return base64.b64encode(lines.encode()).decode()
