"""The program on a real API server: the built-in engine, the steps as processes, the lab's providers."""

import os
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab.engine import Operation
from lab.events import Event, LogEvent, StepEvent
from lab.provider import Context
from lab.providers.remote_command import Remote
from lab.real.chart_host import REPOSITORIES
from lab.real.cluster import RealCluster
from tests.lab.engines import BUILT_IN, BuiltIn, Ended, Pulumi, Runs

TIMES: list[tuple[str, str, float]] = []
"""Test, operation, seconds."""
_VERDICT = re.compile(r"^ *([A-Z]+-\d+ [\w -]+: .*)$", re.MULTILINE)


@contextmanager
def late_to_go(cluster: RealCluster, kind: str, name: str, seconds: float) -> Iterator[None]:
    """Who deletes this object meets it for a while longer, as where the garbage collector has much to do."""
    over = threading.Event()

    def hold(finalizers: list[str] | None) -> None:
        cluster.api.merge(kind, name, None, {"metadata": {"finalizers": finalizers}}, "lab")

    def let_go() -> None:
        while not over.wait(0.2):
            if (cluster.api.get(kind, name) or {"metadata": {}})["metadata"].get("deletionTimestamp"):
                over.wait(seconds)
                return hold(None)
        return hold(None)

    hold(["lab.gpu-ready/late"])
    thread = threading.Thread(target=let_go)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class RealHouse:
    """One stack with its state, in a real cluster."""

    def __init__(
        self, cluster: RealCluster, folder: Path, engine: str = BUILT_IN, remote: Remote | None = None
    ) -> None:
        self.cluster, self.events = cluster, list[Event]()
        self.engine: Runs = (
            BuiltIn(cluster, folder, self._heard, remote)
            if engine == BUILT_IN
            else Pulumi(cluster, folder, self._heard)
        )
        self.secrets: dict[str, str] = {}
        self.config: dict[str, Any] = {
            "target": "cluster",
            "cluster": {"context": "lab", "kubeconfig": str(cluster.kubeconfig), "nodes": ["gpu-1", "gpu-2"]},
            "gpu": {"driver": "preinstalled", "toolkit": "preinstalled"},
            "validation": {"timeoutSeconds": 60, "pollSeconds": 1},
        }
        self._meanwhile: list[tuple[str, Callable[[], object]]] = []

    def _heard(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, StepEvent) and event.phase == "done":
            for name, act in [one for one in self._meanwhile if one[0] == event.name]:
                self._meanwhile.remove((name, act))
                act()

    def after(self, name: str, act: Callable[[], object]) -> None:
        """Does something when the step of this resource is done, before those that wait for it."""
        self._meanwhile.append((name, act))

    def run(self, op: Operation, **changes: Any) -> Ended:
        """The whole program, with other values under some keys of the config."""
        given = {key: {**value, **changes.get(key, {})} if isinstance(value, dict) else value
                 for key, value in self.config.items()}  # fmt: skip
        return self._timed(op, lambda: self.engine.run(op, given, self.secrets))

    @property
    def ours(self) -> BuiltIn:
        """The built-in engine, for a test that speaks to it or to its provider."""
        assert isinstance(self.engine, BuiltIn)
        return self.engine

    def make(self, op: Operation, made: Callable[[], object]) -> Ended:
        """A program of a few lines."""

        def few_lines() -> None:
            made()

        return self._timed(op, lambda: self.ours.engine.run(op, few_lines))

    def _timed(self, op: str, run: Callable[[], Ended]) -> Ended:
        began = time.monotonic()
        result = run()
        name = os.environ.get("PYTEST_CURRENT_TEST", "").partition("::")[2].partition(" ")[0]
        TIMES.append((name, op, time.monotonic() - began))
        return result

    def up(self, **changes: Any) -> Ended:
        """An `up` that goes well."""
        result = self.run("up", **changes)
        assert result.exit == 0, "\n".join(result.errors)
        return result

    def helm(self, verb: str, release: str, chart: str, *more: str) -> None:
        """Somebody else at work, who has the lab's charts too."""
        url = next(one.url for one in REPOSITORIES if one.chart == chart)
        where = ["--kubeconfig", str(self.cluster.kubeconfig), "--kube-context", "lab"]
        command = [str(self.cluster.built["helm"]), verb, release, chart, "--repo", url, *where, *more]
        homes = {f"HELM_{one}_HOME": str(self.cluster.folder / "theirs") for one in ("CACHE", "CONFIG", "DATA")}
        subprocess.run(command, env={**os.environ, **self.cluster.charts.env(), **homes}, check=True)

    def said(self) -> str:
        """All lines that were shown."""
        return "\n".join(event.text for event in self.events if isinstance(event, LogEvent))

    def context(self) -> Context:
        """What a provider is asked with, outside of a program."""
        config = {"kubeconfig": str(self.cluster.kubeconfig), "context": "lab"}
        return Context("urn:pulumi:demo::gpu-ready::kubernetes:core/v1:NodePatch::one", "", "one", config=config)


def verdicts(result: Ended) -> list[str]:
    """The findings in the words of the gates: `ID layer: problem`."""
    return list(dict.fromkeys(found for text in result.errors for found in _VERDICT.findall(text)))


def without_seconds(report: Any) -> Any:
    """A report without what a clock decides."""
    nodes = [{key: value for key, value in node.items() if key != "seconds"} for node in report["nodes"]]
    return {**report, "nodes": nodes}
