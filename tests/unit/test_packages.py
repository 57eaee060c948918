"""A bare interpreter gets one sentence that leads on, whichever way the rehearsal is begun."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from lab import packages

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("module", ["lab", "lab.demo"])
def test_without_the_packages_there_is_one_sentence_and_no_traceback(module: str) -> None:
    words = ["preview", "-s", "demo"] if module == "lab" else []
    # -S: without site-packages, as a Python has it that nobody installed anything for.
    bare = [sys.executable, "-S", "-m", module, *words]
    done = subprocess.run(bare, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "(google, grpc, " in done.stderr
    assert done.stderr.endswith(f": run make setup, then .venv/bin/python -m {module} ...\n")


@pytest.mark.parametrize("at", ["lab.packages", "lab.operate", "lab.view_plain"])
def test_ctrl_c_before_the_first_line_is_a_sentence_and_exit_status_1(at: str) -> None:
    early = f"""if True:
        import os, runpy, signal, sys
        class Interrupts:
            def find_spec(self, name, *_):
                if name == {at!r}:
                    os.kill(os.getpid(), signal.SIGINT)
        sys.meta_path.insert(0, Interrupts())
        sys.argv[1:] = ["preview", "-s", "demo"]
        runpy.run_module("lab", run_name="__main__")
    """
    done = subprocess.run([sys.executable, "-c", early], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "Stopped; nothing was begun.\n")


def test_an_old_python_is_told_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(packages, "OLDEST", (9, 9))
    with pytest.raises(SystemExit) as exit:
        packages.demand("lab")
    assert exit.value.code == 2
    assert capsys.readouterr().err.startswith("The rehearsal needs Python 9.9 or newer, this is 3.")


def test_where_all_is_there_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    packages.demand("lab")
    assert capsys.readouterr().err == ""


def test_what_is_demanded_is_installed_by_make_setup() -> None:
    packaged = {"google": "protobuf", "grpc": "grpcio", "yaml": "pyyaml"}
    listed = (ROOT / "requirements-lab.txt").read_text(encoding="utf-8").lower().replace("_", "-")
    pinned = set(re.findall(r"^([\w-]+)==", listed, re.MULTILINE))
    assert {packaged.get(name, name.replace("_", "-")) for name in packages.NEEDED} <= pinned
