"""The engines that a stack of the lab runs under: ours in this process, and the real `pulumi` as its users call it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest
import yaml

from lab.engine import Engine, Operation
from lab.events import Event, LogEvent, StepEvent
from lab.provider import Provider
from lab.providers.command import CommandProvider
from lab.providers.remote_command import Remote
from lab.real.cluster import RealCluster
from lab.real.kubernetes import RealKubernetesProvider
from lab.state import MemoryStore
from tests.pulumi_project import laid_out
from tests.unit.house import program

BUILT_IN, PULUMI = "built-in", "pulumi"
NEEDED = ("pulumi", "pulumi-language-python", "pulumi-resource-command", "pulumi-resource-kubernetes")
STACK = "real"
missing = [tool for tool in NEEDED if shutil.which(tool) is None]
needs_pulumi = pytest.mark.skipif(
    bool(missing), reason=f"the real engine was NOT tried on real parts: not on PATH: {', '.join(missing)}"
)
BOTH = (BUILT_IN, pytest.param(PULUMI, marks=needs_pulumi))
built_in_only = pytest.mark.parametrize("engine", [BUILT_IN], indirect=True)
"""For a test that stands between two steps of an engine, or that asks our provider itself."""
Heard = Callable[[Event], None]


class Ended(Protocol):
    """How an operation ended, in the words of either engine."""

    @property
    def exit(self) -> int: ...
    @property
    def changes(self) -> dict[str, int]: ...
    @property
    def outputs(self) -> dict[str, Any]: ...
    @property
    def errors(self) -> list[str]: ...


class Runs(Protocol):
    """One stack, and whatever runs it."""

    def run(self, op: Operation, config: Mapping[str, Any], secrets: Mapping[str, str]) -> Ended: ...


def environment(cluster: RealCluster, *first: str) -> dict[str, str]:
    """What steps and Helm need to meet this cluster."""
    env = cluster.env()
    return {**env, "PATH": os.pathsep.join([env["PATH"], *first, os.environ["PATH"]])}


class BuiltIn:
    """Ours, with our providers on the real API server."""

    def __init__(self, cluster: RealCluster, folder: Path, heard: Heard, remote: Remote | None = None) -> None:
        self.kubernetes = RealKubernetesProvider(cluster.built["helm"], cluster.charts.env(), folder / "helm")
        env = environment(cluster, str(Path(sys.executable).parent))
        providers: list[Provider] = [CommandProvider(env=env, cwd=str(folder), remote=remote), self.kubernetes]
        self.engine = Engine("gpu-ready", "demo", MemoryStore(), providers, heard)

    def run(self, op: Operation, config: Mapping[str, Any], secrets: Mapping[str, str]) -> Ended:
        """One operation of the whole program."""
        values = {key: one if isinstance(one, str) else json.dumps(one) for key, one in config.items()}
        wire = {f"gpu-ready:{key}": one for key, one in (values | dict(secrets)).items()}
        return self.engine.run(op, program, config=wire, secret_keys=sorted(f"gpu-ready:{key}" for key in secrets))


@dataclass(frozen=True)
class Told:
    """What `pulumi --json` said of an operation, one event a line."""

    exit: int
    events: Sequence[Mapping[str, Any]]
    outputs: dict[str, Any]
    beside: str

    @property
    def changes(self) -> dict[str, int]:
        """Counts by op."""
        return next((dict(one["summaryEvent"]["resourceChanges"]) for one in self.events if "summaryEvent" in one), {})

    @property
    def errors(self) -> list[str]:
        """Texts of all errors, and what it said before it could say it as an event."""
        said = [one["diagnosticEvent"] for one in self.events if "diagnosticEvent" in one]
        texts = [one["message"].rstrip("\n") for one in said if one["severity"] == "error"]
        return texts or ([self.beside] if self.exit else [])


class Pulumi:
    """The real CLI with its Python host and its providers: one project in a folder of its own, and a state there."""

    def __init__(self, cluster: RealCluster, folder: Path, heard: Heard) -> None:
        self.project, self.heard = laid_out(folder), heard
        self.env = {
            **os.environ, **environment(cluster), "PULUMI_BACKEND_URL": f"file://{folder / 'backend'}",
            "HOME": str(folder), "PULUMI_HOME": str(folder / "pulumi"), "PULUMI_CONFIG_PASSPHRASE": "",
            "PULUMI_SKIP_UPDATE_CHECK": "1", "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        }  # fmt: skip
        self.known: dict[str, str] = {}
        self._done("stack", "init", STACK)

    def run(self, op: Operation, config: Mapping[str, Any], secrets: Mapping[str, str]) -> Ended:
        """One operation of the whole program."""
        self._configure(config, secrets)
        words = [*self._command(op), "--json", "-s", STACK, *(() if op == "preview" else ("--yes", "--skip-preview"))]
        pipes: Any = {"env": self.env, "text": True, "stdout": subprocess.PIPE}
        with (
            (self.project / "beside").open("w+") as beside,
            subprocess.Popen(words, cwd=self.project, stderr=beside, **pipes) as ran,
        ):
            assert ran.stdout
            events = [self._event(line) for line in ran.stdout]
            ran.wait()
            beside.seek(0)
            return Told(ran.returncode, events, self._outputs(), beside.read())

    def _outputs(self) -> dict[str, Any]:
        return dict(json.loads(self._done("stack", "output", "--json", "-s", STACK)))

    def _event(self, line: str) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(line)
        if said := event.get("diagnosticEvent"):
            self.heard(LogEvent(said["severity"], said["message"], said.get("urn", "")))
        if done := event.get("resOutputsEvent"):
            about = done["metadata"]
            self.heard(StepEvent("done", about["op"], about["type"], about["urn"].rpartition("::")[2], about["urn"]))
        return event

    def _configure(self, config: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        """The stack file, and the secrets as a user sets them."""
        path = self.project / "stacks" / f"Pulumi.{STACK}.yaml"
        kept = yaml.safe_load(path.read_text()) or {} if path.exists() else {}
        hidden = {key: one for key, one in kept.get("config", {}).items() if isinstance(one, dict) and "secure" in one}
        values = {f"gpu-ready:{key}": one for key, one in config.items()}
        path.write_text(yaml.safe_dump({**kept, "config": hidden | values}))
        for key, value in secrets.items():
            if self.known.get(key) != value:
                self._done("config", "set", "--secret", f"gpu-ready:{key}", "-s", STACK, typed=value)
                self.known[key] = value

    def _done(self, *words: str, typed: str = "") -> str:
        done = subprocess.run(
            self._command(*words),
            cwd=self.project,
            env=self.env,
            capture_output=True,
            text=True,
            input=typed,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @staticmethod
    def _command(*words: str) -> list[str]:
        return ["pulumi", "--non-interactive", "--color", "never", *words]
