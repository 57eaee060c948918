"""The text of a step as a user's machine runs it: a bare python3 in an empty directory, nothing of ours around it."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from components.local_step import compose
from components.steps import SHORT, SOURCES
from tests.unit.small_snapshot import OURS, PASSED, healthy, listed, node, wish

SYSTEM = Path("/usr/bin/python3")
INTERPRETERS = [sys.executable, *([str(SYSTEM)] if SYSTEM.exists() else [])]
KUBECTL = """\
#!/bin/sh
# Every answer is a file that is named after the question.
shift 6
case "$*" in
logs*) exec cat "{answers}/logs" ;;
*" -n gpu-ready "*) exec cat "{answers}/ours" ;;
*" -A "*) exec cat "{answers}/all" ;;
*) echo '{{"items": []}}' ;;
esac
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A folder for PATH with a kubectl that answers about a healthy cluster."""
    answers, tools = tmp_path / "answers", tmp_path / "tools"
    for folder in (answers, tools):
        folder.mkdir()
    there = healthy()
    about_us = listed("pods,events,jobs", there.__getitem__, OURS)
    (answers / "ours").write_text(json.dumps({"items": about_us}))
    (answers / "all").write_text(
        json.dumps({"items": listed("nodes,clusterpolicies,runtimeclasses", there.__getitem__)})
    )
    (answers / "logs").write_text(PASSED)
    kubectl = tools / "kubectl"
    kubectl.write_text(KUBECTL.format(answers=answers))
    kubectl.chmod(0o755)
    return tools


def played(interpreter: str, step: str, folder: Path, path: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """Runs a step as `python3 -` does, with nothing but PATH in its environment."""
    empty = folder / "empty"
    empty.mkdir(exist_ok=True)
    done = subprocess.run(
        [interpreter, "-I", "-"],
        input=compose(step, wish(**more)),
        capture_output=True,
        text=True,
        cwd=empty,
        env={"PATH": path},
        timeout=20,
        check=False,
    )
    assert list(empty.iterdir()) == []
    return done


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_the_gate_proves_a_healthy_cluster_in_one_line(interpreter: str, path: Path, tmp_path: Path) -> None:
    done = played(interpreter, "gate", tmp_path, f"{path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = done.stdout.splitlines()
    assert json.loads(line)["nodes"][0]["name"] == "gpu-1"


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_the_look_finds_the_nodes_in_one_line(interpreter: str, path: Path, tmp_path: Path) -> None:
    (tmp_path / "answers" / "all").write_text(json.dumps({"items": [{"kind": "Node", **node(gpus=0)}]}))
    done = played(interpreter, "look", tmp_path, f"{path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {"context": "demo", "kubelets": ["v1.35.4"], "nodes": ["gpu-1"]}


@pytest.mark.parametrize("step", sorted({*SOURCES} - {"guard", *SHORT}))
def test_without_kubectl_the_fix_is_said(step: str, tmp_path: Path) -> None:
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    done = played(INTERPRETERS[-1], step, tmp_path, str(nothing))
    assert done.returncode == 3
    assert done.stderr.splitlines() == [
        "PLM-11 workstation: kubectl is not on PATH",
        "fix: install kubectl on the machine that runs pulumi",
    ]
    assert done.stdout == ""


def test_a_refusal_ends_with_status_3_and_the_fix_last(path: Path, tmp_path: Path) -> None:
    done = played(sys.executable, "look", tmp_path, f"{path}{os.pathsep}/usr/bin{os.pathsep}/bin", jobs=[])
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.splitlines()[-2].startswith("CFG-4 ownership: ")
    assert done.stderr.splitlines()[-1].startswith("fix: ")


@pytest.mark.parametrize("step", sorted(SOURCES))
def test_an_old_python_understands_the_text(step: str) -> None:
    tree = ast.parse(compose(step, wish()), feature_version=(3, 8))
    unions = [node for node in ast.walk(tree) if isinstance(node, ast.BinOp) and is_type(node)]
    plain = [node for node in ast.walk(tree) if isinstance(node, ast.Subscript) and is_plain_generic(node)]
    assert [ast.unparse(node) for node in (*unions, *plain)] == []


def is_type(node: ast.BinOp) -> bool:
    """`X | None` in an annotation, which Python 3.8 would evaluate."""
    return isinstance(node.op, ast.BitOr)


def is_plain_generic(node: ast.Subscript) -> bool:
    """`list[str]`, likewise."""
    return isinstance(node.value, ast.Name) and node.value.id in {"list", "dict", "tuple", "set", "type"}


@pytest.mark.parametrize("step", sorted(SOURCES))
def test_no_name_stands_twice_in_the_one_namespace_of_a_text(step: str) -> None:
    names: Counter[str] = Counter()
    for made in ast.parse(compose(step, wish())).body:
        if isinstance(made, (ast.FunctionDef, ast.ClassDef)):
            names[made.name] += 1
        elif isinstance(made, ast.Assign):
            names.update(target.id for target in made.targets if isinstance(target, ast.Name))
    assert [name for name, count in names.items() if count > 1] == []
    assert "main" in names


def test_a_kubectl_that_hangs_ends_in_a_refusal_and_not_in_a_traceback(tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    kubectl = tools / "kubectl"
    kubectl.write_text("#!/bin/sh\nexec sleep 20\n")
    kubectl.chmod(0o755)
    path = f"{tools}{os.pathsep}/usr/bin{os.pathsep}/bin"
    done = played(sys.executable, "gate", tmp_path, path, timeout_seconds=-44.9, poll_seconds=1)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.splitlines()[0] == "waiting for API server: the cluster does not answer (at most 0 s more)"
    assert done.stderr.splitlines()[-2].startswith("PLM-3 API server: not ready after")
    assert "Traceback" not in done.stderr
