"""The step `runtime` proves its change by a client that fitted before, and rolls back whoever listens."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from host import script
from lab.host.machine import Machine
from lab.providers.transport import Finished, Script
from tests.effort import long
from tests.host.small_machine import with_tools
from tests.host.stepping import unheard

pytestmark = long


CONFIG = "etc/containerd/config.toml"
VALUES: dict[str, script.Value] = {"GR_RUNTIME_CONFIG": f"/{CONFIG}"}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return with_tools(Machine.create(tmp_path / "machine", {"name": "rtx", "toolkit": "1.20.0", "user": "root"}))


def text() -> str:
    return script.step_text("runtime", VALUES, script.bundle().hash)


def runtime(machine: Machine, verb: str = "apply") -> Finished:
    return machine.run(Script(f"sh -s {verb}", stdin=text()), "root")


def restarts(machine: Machine) -> int:
    return int(machine.state["services"]["containerd"]["starts"])


def client(machine: Machine, name: str, body: str) -> None:
    (machine.folder / "bin" / name).write_text(f"#!/bin/sh\n{body}\n")
    (machine.folder / "bin" / name).chmod(0o755)


def test_a_crictl_that_never_fitted_says_nothing_about_the_change(machine: Machine) -> None:
    client(machine, "crictl", "echo 'unknown service runtime.v1alpha2.RuntimeService' >&2; exit 1")
    ended = runtime(machine)
    assert json.loads(ended.stdout)["changed"] is True, ended
    assert machine.state["handlers"] == ["nvidia", "runc"]
    assert runtime(machine, "remove").ending == ""
    assert machine.state["handlers"] == ["runc"]


def test_one_that_fitted_before_and_fails_afterwards_does(machine: Machine) -> None:
    real = machine.root / "usr/bin/crictl"
    handler = f'if grep -q "runtimes.nvidia" "{machine.root}/{CONFIG}"; then exit 1; fi'
    client(machine, "crictl", f'{handler}\nexec "{real}" "$@"')
    before = (machine.root / CONFIG).read_text()
    ended = runtime(machine)
    assert b"HST-77 runtime: containerd did not come back with the handler nvidia; the old file is in" in ended.stderr
    assert (machine.root / CONFIG).read_text() == before


def test_a_daemon_that_nobody_reaches_is_found_out_before_the_change(machine: Machine) -> None:
    for name in ("crictl", "ctr"):
        client(machine, name, "exit 1")
    before, starts = (machine.root / CONFIG).read_text(), restarts(machine)
    ended = runtime(machine)
    assert (ended.ending, b"HST-34 runtime: containerd runs, and its CRI plugin" in ended.stderr) == (
        "exit status 3", True,
    )  # fmt: skip
    assert ((machine.root / CONFIG).read_text(), restarts(machine)) == (before, starts)


def test_what_is_rolled_back_is_so_without_a_listener(machine: Machine) -> None:
    machine.switch("fault", "containerd-refuses")
    before = (machine.root / CONFIG).read_text()
    assert unheard(machine, "sh -s apply", text()) != 0
    assert (machine.root / CONFIG).read_text() == before
    assert machine.state["handlers"] == ["runc"]
    record = machine.root / "var/lib/gpu-ready/record"
    assert [path.name for path in record.iterdir()] == []
    machine.switch("fault", "none")
    assert json.loads(runtime(machine).stdout)["changed"] is True
