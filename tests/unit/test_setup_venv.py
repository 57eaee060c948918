"""Setting up .venv: says what is missing, installs once, and does without uv."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts import setup_venv

SETS = ("uv", "lab", "dev", "gke")


class Machine:
    """A folder with requirements and an installer that only takes notes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.done: list[str] = []
        self.broken: set[str] = set()
        for name in SETS:
            self.change(name, "1")

    def change(self, name: str, content: str) -> None:
        (self.folder / f"requirements-{name}.txt").write_text(content)

    def installer(self, tool: str) -> Callable[[str], subprocess.CompletedProcess[bytes]]:
        def run(name: str) -> subprocess.CompletedProcess[bytes]:
            self.done.append(f"{tool} {name}")
            failed = f"{tool} {name}" in self.broken
            return subprocess.CompletedProcess([], int(failed), b"no route\n" if failed else b"")

        return run


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine(tmp_path)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(setup_venv, "venv_serves", lambda asked_for: True)
    monkeypatch.setattr(setup_venv, "with_uv", machine.installer("uv"))
    monkeypatch.setattr(setup_venv, "with_pip", machine.installer("pip"))
    return machine


def test_the_first_call_installs_uv_and_then_lets_it_install(machine: Machine) -> None:
    setup_venv.setup(["lab"], asked_for=False)
    assert machine.done == ["pip uv", "uv lab"]


def test_a_second_call_installs_nothing_and_says_nothing(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    setup_venv.setup(["lab"], asked_for=False)
    machine.done.clear()
    capsys.readouterr()

    setup_venv.setup(["lab"], asked_for=False)

    assert (machine.done, capsys.readouterr().out) == ([], "")


def test_new_pins_are_installed_with_the_uv_that_is_there(machine: Machine) -> None:
    setup_venv.setup(["lab"], asked_for=False)
    machine.done.clear()
    machine.change("lab", "2")

    setup_venv.setup(["lab"], asked_for=False)

    assert machine.done == ["uv lab"]


def test_a_new_pin_of_uv_itself_is_installed_with_the_next_set(machine: Machine) -> None:
    setup_venv.setup(["lab"], asked_for=False)
    machine.done.clear()
    machine.change("uv", "2")

    setup_venv.setup(["gke"], asked_for=False)

    assert machine.done == ["pip uv", "uv gke"]


def test_who_has_the_developers_set_has_the_rehearsal(machine: Machine) -> None:
    setup_venv.setup(["dev"], asked_for=False)
    machine.done.clear()

    setup_venv.setup(["lab"], asked_for=False)

    assert machine.done == []


def test_the_developers_set_is_not_there_because_the_rehearsal_is(machine: Machine) -> None:
    setup_venv.setup(["lab", "dev"], asked_for=False)
    assert machine.done == ["pip uv", "uv lab", "uv dev"]


def test_without_uv_pip_installs_and_one_line_says_so(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.broken = {"pip uv"}
    setup_venv.setup(["lab"], asked_for=False)
    assert machine.done == ["pip uv", "pip lab"]
    assert "uv cannot be had here; pip installs instead" in capsys.readouterr().out


def test_where_uv_fails_pip_tries_and_the_reason_is_shown(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.broken = {"uv lab"}
    setup_venv.setup(["lab"], asked_for=False)
    assert machine.done == ["pip uv", "uv lab", "pip lab"]
    assert "uv failed (no route); pip tries instead" in capsys.readouterr().out


def test_where_both_fail_nothing_counts_as_installed(machine: Machine) -> None:
    machine.broken = {"uv lab", "pip lab"}
    with pytest.raises(setup_venv.Refusal, match=r"requirements-lab\.txt could not be installed"):
        setup_venv.setup(["lab"], asked_for=False)
    assert setup_venv.read_stamp() == {}


def test_a_damaged_stamp_means_installing_again(machine: Machine) -> None:
    setup_venv.setup(["lab"], asked_for=False)
    machine.done.clear()
    Path(setup_venv.STAMP).write_text('{"lab": ')

    setup_venv.setup(["lab"], asked_for=False)

    assert machine.done == ["pip uv", "uv lab"]
    assert json.loads(Path(setup_venv.STAMP).read_text()).keys() == {"lab", "uv"}


def test_a_set_that_does_not_exist_is_refused_by_name(machine: Machine) -> None:
    with pytest.raises(setup_venv.Refusal, match="no set of packages called 'azure'"):
        setup_venv.setup(["azure"], asked_for=False)


def test_an_old_python_is_told_how_to_name_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 1))
    with pytest.raises(setup_venv.Refusal, match=r"Python 3\.9 is too old: .* make setup PYTHON="):
        setup_venv.refuse_unfit_python()


def test_a_python_without_its_venv_module_is_told_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 12, 1))
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    with pytest.raises(setup_venv.Refusal, match=r"apt-get install python3\.12-venv"):
        setup_venv.refuse_unfit_python()


@pytest.mark.parametrize(
    ("found", "asked_for", "serves"),
    [
        (None, False, False),
        ((3, 9), False, False),
        ((3, 10), False, True),
        ((3, 99), True, False),
        (sys.version_info[:2], True, True),
    ],
)
def test_a_venv_stays_when_it_runs_and_is_of_the_python_asked_for(
    monkeypatch: pytest.MonkeyPatch, found: tuple[int, ...] | None, asked_for: bool, serves: bool
) -> None:
    monkeypatch.setattr(setup_venv, "venv_version", lambda: found)
    assert setup_venv.venv_serves(asked_for) is serves


def test_a_refusal_is_one_sentence_and_exit_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def refuse(names: list[str], asked_for: bool) -> None:
        raise setup_venv.Refusal("Something is missing.")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(setup_venv, "setup", refuse)
    monkeypatch.setattr(sys, "argv", ["setup_venv.py", "lab"])

    assert setup_venv.main() == 1
    assert capsys.readouterr().err == "setup: Something is missing.\n"
