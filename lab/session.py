"""One stack in the rehearsal: its settings, its simulated world, its state, and the engine that runs the program."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import runpy
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.beginning import Beginning, Remainder
from lab.events import Event, StepEvent, SummaryEvent
from lab.parts import Parts
from lab.stack_file import NAMESPACE, StackFile, WrongUse, read, split
from settings import yaml_text

if TYPE_CHECKING:
    from lab.cluster.clock import Clock
    from lab.cluster.switches import Turned
    from lab.engine import Engine, Operation, Result
    from lab.provider import Provider
    from lab.world import WholeWorld

ROOT = Path(__file__).resolve().parents[1]
FOLDER = "GPU_READY_LAB_DIR"
"""Environment variable that moves `.lab`."""


class UnreadableWorldError(Exception):
    """The file of the simulated world is broken."""


class Session:
    """Everything that one command of the rehearsal needs."""

    def __init__(
        self,
        wanted: str,
        changes: Sequence[str] = (),
        root: Path = ROOT,
        parts: Parts | None = None,
        speed: float = 0.0,
    ) -> None:
        self.root, self.parts, self.speed = root, parts or Parts(), speed
        self.wanted = wanted
        """The stack as the user calls it: a name, or the path of a file."""
        ours, self.switches = split(changes)
        self.stack: StackFile = read(root, wanted, ours)
        self.name = self.stack.name
        self.folder = Path(os.environ.get(FOLDER) or root / ".lab") / self._place()
        self.only_previews = False
        """Nothing but a preview is going to be asked for."""
        self.engine: Engine | None = None
        self.contacts: dict[str, Any] = {}
        """How often each host was dialed and given a script by the last operation; empty when none was."""
        self._began = self._clock().now()

    @property
    def _is_ours(self) -> bool:
        return self.stack.path.resolve().parent == (self.root / "stacks").resolve()

    def _place(self) -> str:
        """The name of the folder: stacks of the same name in other folders have worlds of their own."""
        if self._is_ours:
            return self.name
        path = str(self.stack.path.resolve())
        return f"{self.name}-{hashlib.sha256(path.encode(errors='surrogateescape')).hexdigest()[:6]}"

    def _clock(self) -> Clock:
        from lab.cluster.clock import Clock

        return Clock(self.folder / "clock", self.speed)

    def simulated_seconds(self) -> float:
        """How much time passed in the simulated world since the command began."""
        return self._clock().now() - self._began

    def wish(self) -> Any:
        """The settings, or WrongUse with all faults: asked before anything is made."""
        return self.parts.wish(self.stack.own(), self.stack.own_secrets())

    @property
    def secret_count(self) -> int:
        """How many secrets were replaced by placeholders."""
        return len(self.stack.secret_keys)

    def store(self) -> Any:
        """The state of this stack."""
        from lab.state import FileStore

        return FileStore(_near(self.folder / "state.json"))

    def resources(self) -> list[dict[str, Any]]:
        """All resources of the state, in the form of the state file; secrets masked."""
        from lab.values import from_json, shown, to_json

        return [to_json(shown(from_json(item))) for item in self.store().load()["resources"]]

    def pending(self) -> list[dict[str, Any]]:
        """What was begun and never heard of again, as the state notes it."""
        return list(self.store().load()["pending_operations"])

    def world(self) -> WholeWorld:
        """The simulated world; made when there is none yet."""
        if found := self._found():
            return found
        spec = self._world_spec(self.wish())
        self.folder.mkdir(parents=True, exist_ok=True)
        with _worlds_faults("the description of the simulated world"), _alone(self.folder / "new"):
            path, machines = self.folder / "world.json", not self._needs_no_machines
            return self._found() or self.parts.new_world(path, spec, self.speed, machines)

    @property
    def _needs_no_machines(self) -> bool:
        return self.only_previews and not self.switches

    def _found(self) -> WholeWorld | None:
        path = self.folder / "world.json"
        world = self.parts.world(path, self.speed) if path.exists() else None
        return world if world and (self._needs_no_machines or not world.is_outline()) else None

    def _world_spec(self, wish: Any) -> dict[str, Any]:
        worlds = self.root / "lab" / "worlds"
        own = worlds / f"{self.name}.yaml"
        if self._is_ours and own.is_file():
            return _described(own)
        # A copy under another name is about the same machines: its world is not another one.
        known = (_described(path) for path in sorted(worlds.glob("*.yaml")))
        return next((spec for spec in known if self.parts.fits(spec, wish)), None) or self.parts.derived_world(wish)

    def turn_switches(self) -> list[str]:
        """Does what `--set world...` asks for; returns a line for each."""
        if self.switches:
            self.node_count()
        for path, value in self.switches:
            with _worlds_faults(f"--set world.{path}"):
                self.world().switch(path, value)
            self._beginning.switched()
        return [
            f"world: {path} = {json.dumps(value, default=str)} (stays until it is set again)"
            for path, value in self.switches
        ]

    def node_count(self) -> int:
        """Nodes of the simulated cluster."""
        with self._readable(), self.world().open() as cluster:
            return len(cluster.list("Node"))

    def switched(self) -> list[Turned]:
        """The switches that differ from the world's beginning; asks for no world where there is none."""
        world = self._found()
        with self._readable():
            return world.switched() if world else []

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except (ValueError, KeyError, TypeError) as error:
            where = _near(self.folder)
            raise UnreadableWorldError(
                f"The simulated world in {where} cannot be read ({error}). Move the folder away to begin anew."
            ) from error

    def hosts(self) -> dict[str, str]:
        """Addresses of the simulated hosts and their names."""
        described: list[dict[str, Any]] = getattr(self.world(), "hosts", list)()
        return {str(host["address"]): str(host["name"]) for host in described}

    def run(self, op: Operation, on_event: Callable[[Event], None], clear_pending_creates: bool = False) -> Result:
        """Carries out one operation."""
        from lab.engine import Engine
        from lab.program_time import simulated

        world = self.world()
        if op == "up":
            self._beginning.keep(world)
        providers, root = self.parts.providers(world, self.root), str(self.root)
        self.engine = Engine(NAMESPACE, self.name, self.store(), providers, on_event, root_directory=root)
        config: dict[str, Any] = {"config": self.stack.wire(), "secret_keys": sorted(self.stack.secret_keys)}
        with _importable(self.root), simulated(self._clock()):
            result = self.engine.run(op, self._program, **config, clear_pending_creates=clear_pending_creates)
        self.contacts = self._contacts(providers)
        return result

    def _contacts(self, providers: Sequence[Provider]) -> dict[str, Any]:
        """By name of the host; an address that no host has stands for itself."""
        names = self.hosts()
        found: list[Any] = [getattr(one, "remote", None) for one in providers]
        return {
            names.get(address, address): asdict(contacts)
            for remote in found
            if remote is not None
            for address, contacts in remote.contacts.items()
        }

    def _program(self) -> None:
        runpy.run_path(str(self.root / "__main__.py"), run_name="__main__")

    def stop(self) -> None:
        """The first call lets running steps end, the second ends them."""
        if self.engine is not None:
            self.engine.stop()

    def planned_deletions(self) -> Iterator[Event]:
        """What `destroy` would do, as a preview tells it."""
        kept = [item for item in self.resources() if not item.get("retainOnDelete") and not item.get("external")]
        for item in kept:
            urn = str(item["urn"])
            yield StepEvent("done", "delete", item["type"], urn.rpartition("::")[2], urn, item.get("parent", ""))
        counted = [
            item for item in kept if not item["type"].startswith("pulumi:providers:") or "::default" not in item["urn"]
        ]
        yield SummaryEvent("preview", {"delete": len(counted)} if counted else {}, "succeeded", 0.0)

    @property
    def _beginning(self) -> Beginning:
        return Beginning(_near(self.folder))

    def remainder(self) -> Remainder:
        """What is in the world now and was not before the first `up`."""
        return self._beginning.compared(self.world) if self._beginning.is_kept() else Remainder()


def _described(path: Path) -> dict[str, Any]:
    """A world as its file describes it."""
    return dict(yaml_text.load(path.read_text(encoding="utf-8")))


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Nobody else does the same meanwhile: two first commands at once make one world."""
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _worlds_faults(about: str) -> Iterator[None]:
    from lab.cluster.spec import WorldError

    try:
        yield
    except WorldError as error:
        raise WrongUse(f"{about}: {error}") from error


def _near(path: Path) -> Path:
    """Relative to where the user stands, if it lies below: messages get shorter."""
    try:
        return path.relative_to(Path.cwd())
    except ValueError:
        return path


class _importable:
    """Lets the program import the modules that lie beside it."""

    def __init__(self, root: Path) -> None:
        self.path = str(root)

    def __enter__(self) -> None:
        sys.path.insert(0, self.path)

    def __exit__(self, *_error: object) -> None:
        sys.path.remove(self.path)
