"""What is generated from the settings is fresh, and says what Pulumi understands."""

import dataclasses
import io
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from decide.host_failures import ALL as FAILURES
from docs import generate
from lab.cli import Streams, parser, perform
from lab.packages import COMMAND
from settings.gpu import Gpu, Operator
from settings.host_driver import HostDriver
from settings.hosts import BareMetal, Host, HostToolkit
from settings.kinds import camel
from settings.model import Cluster, Config, Toleration, Validation
from settings.monitoring import Monitoring

SECTIONS = (
    Config,
    Cluster,
    Toleration,
    BareMetal,
    Host,
    HostDriver,
    HostToolkit,
    Gpu,
    Operator,
    Validation,
    Monitoring,
)
ALL = [(section, one) for section in SECTIONS for one in dataclasses.fields(section)]
IDS = [f"{section.__name__}.{one.name}" for section, one in ALL]


def test_all_files_are_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    assert (generate.main(["--check"]), capsys.readouterr().out) == (0, "")


def test_a_stale_file_is_named_and_then_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "docs").mkdir()
    monkeypatch.setattr(generate, "ROOT", tmp_path)

    assert generate.main(["--check"]) == 1
    assert capsys.readouterr().out.count("is stale") == 3
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0


@pytest.mark.parametrize(("section", "one"), ALL, ids=IDS)
def test_each_setting_is_documented_with_its_default_and_an_example(section: type, one: Any) -> None:
    row = next(line for line in generate.parameters().splitlines() if line.startswith(f"| `{camel(one.name)}` |"))

    assert row.count(" | ") == 3
    assert one.metadata["about"].endswith(".")
    assert one.metadata["example"].startswith(f"{camel(one.name)}: ")


@pytest.mark.parametrize(("section", "one"), ALL, ids=IDS)
def test_each_example_is_right(section: type, one: Any) -> None:
    from settings.kinds import Place, Reading

    example = yaml.safe_load(one.metadata["example"])
    reading = Reading()

    one.metadata["kind"].read(example[camel(one.name)], Place(one.name, "", reading))

    assert reading.faults == []


def test_the_project_file_declares_the_top_level_keys_as_pulumi_wants_them() -> None:
    project = yaml.safe_load(generate.project())

    assert (project["name"], project["stackConfigDir"]) == ("gpu-ready", "stacks")
    assert project["runtime"] == {"name": "python", "options": {"toolchain": "pip", "virtualenv": ".venv"}}
    assert list(project["config"]) == [camel(one.name) for one in dataclasses.fields(Config)]
    for declared in project["config"].values():
        assert set(declared) <= {"type", "description", "default"}
        assert declared["type"] in ("string", "integer", "boolean", "object")
        assert "\n" not in declared["description"]


def test_only_the_target_is_demanded_of_every_stack() -> None:
    declared = yaml.safe_load(generate.project())["config"]

    assert [key for key, one in declared.items() if "default" not in one] == ["target"]
    assert all(one["default"] == {} for key, one in declared.items() if key != "target")


def test_every_known_failure_can_be_looked_up_by_its_id() -> None:
    rows = generate.troubles().splitlines()
    for failure in FAILURES:
        shown = failure.fix.replace("|", r"\|")
        assert [row for row in rows if row.startswith(f"| {failure.id} |") and row.endswith(f"| {shown} |")], failure.id


@pytest.mark.parametrize("text", [generate.troubles(), generate.parameters()], ids=["troubles", "parameters"])
def test_no_cell_of_a_table_is_cut_by_a_bar_in_it(text: str) -> None:
    columns = 0
    for row in text.splitlines():
        if row.startswith("|---"):
            columns = row.count("---")
        elif columns and row.startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", row)) == columns + 1, row
        elif not row.startswith("|"):
            columns = 0


ROOT = Path(__file__).resolve().parents[2]
SHOWN = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "stacks").iterdir()]


def test_commands_of_the_rehearsal_can_be_pasted() -> None:
    named = [(path.name, line) for path in SHOWN for line in path.read_text().splitlines() if "python -m lab" in line]
    assert len(named) >= 5
    assert [one for one in named if one[1].count("python -m lab") != one[1].count(f"{COMMAND}")] == []


def test_the_wrong_settings_of_the_readme_are_answered_as_it_says() -> None:
    shown = re.search(r"\$ (\S+ -m lab preview .*?\n)(\d faults .*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert shown
    words = shlex.split(shown[1].replace("\\\n", " "))[3:]
    streams = Streams(io.StringIO(), io.StringIO(), io.StringIO())
    assert perform(parser().parse_args(words), streams).exit == 2
    assert streams.stderr.getvalue() == shown[2]  # type: ignore[attr-defined]


def test_the_docs_list_what_the_program_exports() -> None:
    exported = list(dict.fromkeys(re.findall(r'pulumi\.export\("(\w+)"', (ROOT / "__main__.py").read_text())))
    listed = re.search(r"^ exports: (.*)$", (ROOT / "docs" / "architecture.md").read_text(), re.MULTILINE)
    assert listed
    assert listed[1].split(", ") == exported
    readme = (ROOT / "README.md").read_text().partition("What it exports:")[2]
    assert [name for name in exported if f"`{name}`" not in readme] == []


def test_every_word_that_may_stand_there_is_named() -> None:
    text = generate.parameters()
    rows = {line.split(" | ")[0].strip("| `"): line for line in text.splitlines() if line.startswith("| `")}

    for key, words in {
        "releaseChannel": ("REGULAR", "STABLE", "RAPID"),
        "diskType": ("pd-balanced", "pd-ssd", "pd-standard", "hyperdisk-balanced"),
        "capacity": ("onDemand", "spot"),
    }.items():
        assert [word for word in words if f"`{word}`" not in rows[key]] == [], key
    assert "`tensorflow`" in text
    assert "`microk8s`" in text
