"""The lab's stand-ins of NVIDIA's charts: names, values and defaults are those of the real ones"""

import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from decide import user_values
from lab.real import chart_host
from lab.real.chart_host import REPOSITORIES, Repository

REAL = ("helm", "names, values and defaults, as they were read off NVIDIA's charts")
STANDINS = ("the charts",)


def known(repository: Repository, version: str) -> Any:
    folder = Path(user_values.__file__).parent / "charts"
    return yaml.safe_load((folder / f"{repository.chart}-v{version.removeprefix('v')}.json").read_text())


def leaves(tree: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


@pytest.mark.parametrize("repository", REPOSITORIES, ids=[one.chart for one in REPOSITORIES])
def test_a_stand_in_has_the_objects_values_and_defaults_of_the_newest_version(
    repository: Repository, tmp_path: Path, built: dict[str, Path]
) -> None:
    version = repository.versions[0]
    there = known(repository, version)
    chart_host.fill(tmp_path / "charts", repository)
    file = tmp_path / "charts" / f"{repository.chart}-{version}.tgz"

    text = subprocess.check_output([built["helm"], "template", "abcd", file], text=True)
    made = {(one["kind"], one["metadata"]["name"].replace("abcd", "<release>"))
            for one in yaml.safe_load_all(text) if one}  # fmt: skip
    assert made <= {(one["kind"], one["name"]) for one in there["rendered"]}

    with tarfile.open(file) as archive:
        inside = archive.extractfile(f"{repository.chart}/values.yaml")
        assert inside is not None
        given = dict(leaves(yaml.safe_load(inside.read())))
    assert set(given) <= set(there["values"])
    scalars = there["defaults"]
    assert {path: value for path, value in given.items() if path in scalars} == {
        path: scalars[path] for path in given if path in scalars
    }
