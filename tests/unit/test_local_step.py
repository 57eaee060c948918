"""The text of a step: complete in itself, the same on every machine, its values readable."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from components.local_step import FAILURE, OUR_IMPORT, ROOT, compose, lean, needed
from components.steps import SOURCES
from decide.failures import BY_ID

PARAMS = {"context": "home", "nodes": ["gpu-1"], "note": "it's \\ '''quoted''' \u00e9"}


@pytest.mark.parametrize("step", sorted(SOURCES))
def test_a_step_is_text_that_compiles_and_imports_nothing_of_ours(step: str) -> None:
    text = compose(step, PARAMS)
    compile(text, step, "exec")
    assert "decide" not in [
        line.split()[1].split(".")[0] for line in text.splitlines() if line.startswith(("from ", "import "))
    ]
    assert OUR_IMPORT.search(text) is None


def test_values_arrive_exactly_whatever_stands_in_them(tmp_path: Path) -> None:
    head = compose("gate", PARAMS).split("\n\n\n", 1)[0]
    show = f"{head}\nprint(json.dumps(PARAMS))"
    done = subprocess.run([sys.executable, "-"], input=show, capture_output=True, text=True, cwd=tmp_path, check=True)
    assert json.loads(done.stdout) == PARAMS


def test_two_machines_compose_the_same_text() -> None:
    shuffled = dict(reversed(PARAMS.items()))
    assert compose("look", shuffled) == compose("look", PARAMS)
    assert str(Path(__file__).parents[2]) not in compose("gate", PARAMS)


def test_the_texts_stay_small_because_each_stands_twice_in_the_state() -> None:
    sizes = {step: len(compose(step, PARAMS)) for step in SOURCES}
    assert max(sizes.values()) < 76_000
    assert sum(sizes[step] for step in ("look", "ready", "gate")) < 160_000
    assert sizes["match"] < 20_000  # once per stack, and only where there are hosts
    assert sizes["ready"] < 58_000  # it knows nothing of Jobs


def test_a_step_that_names_its_failures_carries_no_other() -> None:
    catalogue = (ROOT / "decide/failures.py").read_text()
    assert FAILURE.findall(catalogue) == list(BY_ID)
    kept = needed([catalogue, 'stuck("CFG-1")'])[0]
    assert [id for id in BY_ID if f'("{id}",' in kept] == ["CFG-1"]
    recognized = needed([catalogue, "recognize(said)"])[0]
    assert [id for id in BY_ID if f'("{id}",' in recognized] == [id for id in BY_ID if BY_ID[id].signs]


def program_of(text: str) -> str:
    """What a text does, without what it says about it."""
    tree = ast.parse(text)
    for one in ast.walk(tree):
        if isinstance(one, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            one.body = [part for part in one.body if not is_explanation(part)]
    return ast.dump(tree)


def is_explanation(part: ast.stmt) -> bool:
    return isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant)


@pytest.mark.parametrize("source", sorted({source for sources in SOURCES.values() for source in sources}))
def test_only_explanations_are_left_out_of_the_text(source: str) -> None:
    whole = OUR_IMPORT.sub("", (ROOT / source).read_text())
    text = lean(whole)
    assert program_of(text) == program_of(whole)
    assert not [line for line in text.splitlines() if line.lstrip().startswith(("#", '"""'))]
