"""The rules of the house that no ready-made tool holds: sizes, words, who may load what, and what the docs promise."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from statistics import median

import pytest

from tests.effort import long

ROOT = Path(__file__).resolve().parents[2]
NOT_OURS = ("requirements", "LICENSE", "tests/contract/engine/recorded/", "decide/charts/")
"""Compiled, quoted or recorded: no words of ours."""
STEPS_RUN_ON = (3, 8)


@cache
def tracked() -> tuple[str, ...]:
    """The files of the project: what git knows or would take; without git, all but hidden folders."""
    ask = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        names = subprocess.run(ask, capture_output=True, text=True, check=True).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        names = [str(file.relative_to(ROOT)) for file in ROOT.rglob("*") if not hidden(file.relative_to(ROOT))]
    return tuple(sorted(name for name in names if name and (ROOT / name).is_file()))


def hidden(path: Path) -> bool:
    return any(part == "__pycache__" or (part[0] == "." and part not in {".ci", ".github"}) for part in path.parts)


def code(*suffixes: str) -> list[str]:
    """What we wrote to run, tests aside."""
    return [name for name in tracked() if name.endswith(suffixes) and not name.startswith("tests/")]


@cache
def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8", errors="replace")


@cache
def tree(name: str) -> ast.Module:
    return ast.parse(text(name), name)


def ours() -> list[str]:
    return [name for name in tracked() if not name.startswith(NOT_OURS)]


def functions(name: str) -> Iterator[tuple[str, int]]:
    """Each function with its length, decorators aside."""
    for node in ast.walk(tree(name)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield f"{name}:{node.lineno} {node.name}", (node.end_lineno or node.lineno) - node.lineno + 1


def imports(name: str) -> Iterator[str]:
    """Full names of the modules that a file imports, those for type checkers aside."""
    for_types = {
        id(inner)
        for node in ast.walk(tree(name))
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import) and id(node) not in for_types:
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and id(node) not in for_types:
            yield node.module or ""


def hits(pattern: str, names: list[str]) -> list[str]:
    """`file:line: line` wherever the pattern stands."""
    found = re.compile(pattern)
    return [
        f"{name}:{number}: {line.strip()[:100]}"
        for name in names
        for number, line in enumerate(text(name).splitlines(), 1)
        if found.search(line)
    ]


# sizes


def test_no_file_is_longer_than_300_lines() -> None:
    long = {name: len(text(name).splitlines()) for name in code(".py", ".sh")}
    assert {name: lines for name, lines in long.items() if lines > 300} == {}


@long
def test_functions_are_short() -> None:
    found = [one for name in code(".py") for one in functions(name)]
    assert [where for where, lines in found if lines > 60] == []
    lengths = sorted(lines for _where, lines in found)
    assert (median(lengths) <= 9, lengths[int(0.95 * len(lengths))] <= 40) == (True, True), lengths[-20:]


def test_the_whole_story_fits_on_one_screen() -> None:
    assert len(text("__main__.py").splitlines()) <= 60


# words


def test_nothing_is_left_for_later() -> None:
    assert hits(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b", ours()) == []


def test_no_name_says_that_it_collects_leftovers() -> None:
    bins = re.compile(r"(utils?|helpers?|common|manager|misc)\.(py|sh)$")
    assert [name for name in tracked() if bins.search(name)] == []


def test_no_path_of_one_machine_stands_anywhere() -> None:
    """GKE keeps its drivers in a folder of that kind on every node."""
    assert (
        hits(
            r"(?<![\w.~$}*])/(home|root|work|Users)/(?!kubernetes/bin)\w",
            [name for name in ours() if Path(name).name != Path(__file__).name],
        )
        == []
    )


@pytest.mark.parametrize(
    "secret",
    [
        "-----BEGIN [A-Z ]*PRIVATE " + "KEY-----",
        r"\bAKIA" + r"[0-9A-Z]{16}\b",
        r"\bgh[pousr]_" + r"\w{36}",
        r"\bpul-" + r"[0-9a-f]{40}\b",
        r"\bxox[abprs]-" + r"\w",
        r"\bAIza" + r"[\w-]{35}",
    ],
)  # fmt: skip
def test_no_secret_is_in_the_tree(secret: str) -> None:
    assert hits(secret, list(tracked())) == []


def test_the_licence_is_the_whole_apache_2() -> None:
    licence = text("LICENSE")
    assert "Apache License" in licence
    assert "Version 2.0, January 2004" in licence
    assert "END OF TERMS AND CONDITIONS" in licence


# who may load what


def test_no_component_postpones_its_annotations() -> None:
    """The SDK's analyzer reads them, and gets strings otherwise."""
    assert [name for name in code(".py") if name.startswith("components/") and "__future__" in imports(name)] == []


def loads_only(name: str, own: tuple[str, ...]) -> list[str]:
    """What a file imports beside the standard library and `own`."""
    return [
        f"{name} imports {module}"
        for module in imports(name)
        if module.split(".")[0] not in sys.stdlib_module_names and not f"{module}.".startswith(own)
    ]


@long
@pytest.mark.parametrize(
    ("folder", "own"),
    [
        ("decide/", ("decide.",)),
        ("components/steps/", ("decide.", "components.steps.")),
        ("lab/cluster/", ("decide.", "lab.cluster.")),
        ("lab/standins/", ("decide.", "lab.cluster.", "lab.standins.")),
        ("settings/", ("decide.", "settings.", "yaml.")),  # stack files; Pulumi brings the package everywhere
        ("doctor/", ("decide.", "doctor.", "host.", "settings.")),
    ],
)
def test_a_folder_loads_nothing_but_its_own_and_the_standard_library(folder: str, own: tuple[str, ...]) -> None:
    assert [fault for name in code(".py") if name.startswith(folder) for fault in loads_only(name, own)] == []


def test_the_program_does_not_know_the_rehearsal() -> None:
    assert [module for module in imports("__main__.py") if module.split(".")[0] in {"lab", "tests", "bench"}] == []


@long
def test_clouds_are_loaded_only_where_their_target_is() -> None:
    homes = {"pulumi_gcp": "components/gke", "pulumi_aws": "components/aws"}
    strays = [(name, module) for name in code(".py") for module in imports(name) if module.split(".")[0] in homes]
    assert [stray for stray in strays if not stray[0].startswith(homes[stray[1].split(".")[0]])] == []


def test_the_text_of_a_step_is_python_as_old_as_any_machine_has() -> None:
    from components.steps import SOURCES

    for source in sorted({source for sources in SOURCES.values() for source in sources}):
        ast.parse(text(source), source, feature_version=STEPS_RUN_ON)


# packages


PIN = re.compile(r"^([\w.-]+)(?:\[[\w,]+\])?==([^\s;]+)(?: ; ([^\\]*\S))?", re.MULTILINE)


def pins(name: str) -> set[tuple[str, str, str]]:
    """Package, version and marker of everything that a compiled file installs."""
    return {(package.lower(), version, marker) for package, version, marker in PIN.findall(text(name))}


def direct(name: str) -> dict[str, str]:
    """Package -> what a source file asks for."""
    lines = [line.split("#")[0].strip() for line in text(name).splitlines()]
    wanted = [re.match(r"([\w.-]+)(.*)", line) for line in lines if line and not line.startswith("-")]
    return {match[1].lower().replace("_", "-"): match[2] for match in wanted if match}


SOURCES_OF_PINS = [
    "requirements.in", *(f"requirements-{one}.in" for one in ("uv", "core", "lab", "gke", "aws", "dev")),
]  # fmt: skip


@pytest.mark.parametrize("source", SOURCES_OF_PINS)
def test_each_package_that_is_asked_for_is_pinned_by_hash(source: str) -> None:
    compiled = source.replace(".in", ".txt")
    assert direct(source).keys() <= {package for package, _version, _marker in pins(compiled)}
    for entry in re.split(r"\n(?=\S)", re.sub(r"(?m)^\s*#.*\n?", "", text(compiled)).strip()):
        assert "--hash=sha256:" in entry, entry.splitlines()[0]


@pytest.mark.parametrize("source", SOURCES_OF_PINS)
def test_each_package_that_is_asked_for_has_its_reason(source: str) -> None:
    asked = [line for line in text(source).splitlines() if re.match(r"\w", line)]
    assert [line for line in asked if not re.search(r"  # \w", line)] == []


@pytest.mark.parametrize("source", SOURCES_OF_PINS)
def test_exact_wishes_are_what_the_compiled_file_holds(source: str) -> None:
    exact = {name: wish[2:].split(";")[0].strip() for name, wish in direct(source).items() if wish.startswith("==")}
    found = {(name, version) for name, version, _marker in pins(source.replace(".in", ".txt"))}
    assert set(exact.items()) <= found


@pytest.mark.parametrize(
    ("small", "large"),
    [("-core", "-lab"), ("-core", "-gke"), ("-core", "-aws"), ("-gke", ""), ("-aws", ""), ("-lab", "-dev")],
)
def test_a_larger_set_has_the_versions_of_the_smaller_one(small: str, large: str) -> None:
    assert pins(f"requirements{small}.txt") <= pins(f"requirements{large}.txt")


def test_no_compiled_file_says_where_packages_come_from() -> None:
    compiled = [name for name in tracked() if re.fullmatch(r"requirements[\w-]*\.(txt|in)", name)]
    assert len(compiled) >= 14
    assert hits(r"://|--(extra-)?index|--find-links|--trusted", compiled) == []


# promises


DOCS = [name for name in tracked() if name.endswith(".md") and not name.startswith(("tests/", "decide/"))]
CODE_SPAN = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)


def said(pattern: str) -> set[tuple[str, str]]:
    """(file, first group) wherever the pattern stands in code that the docs show."""
    return {
        (name, word) for name in DOCS for span in CODE_SPAN.findall(text(name)) for word in re.findall(pattern, span)
    }


def test_the_docs_promise_only_make_targets_that_exist() -> None:
    targets = set(re.findall(r"^([a-z][\w-]*):", text("Makefile"), re.MULTILINE))
    assert {(name, word) for name, word in said(r"(?:^|[`$&;|\s])make ([a-z][\w-]*)") if word not in targets} == set()


def test_each_make_target_that_is_listed_is_phony() -> None:
    listed = set(re.findall(r"^([a-z]+):.*##", text("Makefile"), re.MULTILINE))
    phony = re.search(r"^\.PHONY: (.*)$", text("Makefile"), re.MULTILINE)
    assert phony
    assert listed <= set(phony[1].split())


def exists(module: str) -> bool:
    path = ROOT.joinpath(*module.split("."))
    return path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()


def test_the_docs_promise_only_programs_that_exist() -> None:
    outside = {"pytest", "venv", "pip", "ruff", "mypy", "uv"}
    assert {
        (name, module) for name, module in said(r"-m ([a-z_][\w.]*)") if module not in outside and not exists(module)
    } == set()


def test_the_docs_promise_only_operations_of_the_rehearsal_that_exist() -> None:
    from lab.cli import OPERATIONS

    assert {(name, word) for name, word in said(r"-m lab ([a-z]+)\b(?!\|)") if word not in OPERATIONS} == set()


def test_links_between_the_docs_lead_somewhere() -> None:
    links = [(name, link) for name in DOCS for link in re.findall(r"\]\(([^)#\s]+)", text(name)) if "://" not in link]
    assert [(name, link) for name, link in links if not (ROOT / name).parent.joinpath(link).exists()] == []


def test_everyone_calls_the_same_lines() -> None:
    for caller in (".ci/run", ".github/workflows/check.yml", ".pre-commit-config.yaml"):
        assert "make check" in text(caller), caller


def test_steps_of_hosts_that_the_readme_shows_are_there() -> None:
    shown = set(re.findall(r"nodes-(?:rtx|tesla)-([a-z]+)", text("README.md")))
    there = {Path(name).stem for name in tracked() if name.startswith("host/") and name.endswith(".sh")}
    assert shown
    assert shown <= there
