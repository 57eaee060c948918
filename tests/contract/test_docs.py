"""What is generated from the settings is fresh, and says what Pulumi understands."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml

from decide.host_failures import ALL as FAILURES
from docs import generate
from settings.hosts import BareMetal, Host, HostDriver, HostToolkit
from settings.kinds import camel
from settings.model import Cluster, Config, Gpu, Operator, Toleration, Validation

SECTIONS = (Config, Cluster, Toleration, BareMetal, Host, HostDriver, HostToolkit, Gpu, Operator, Validation)
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
        assert [row for row in rows if row.startswith(f"| {failure.id} |") and failure.fix in row], failure.id
