"""The folder in which the real `pulumi` finds the program, beside a state of its own."""

import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]


def laid_out(folder: Path) -> Path:
    """The project: the program of this checkout, this interpreter, and no stack file yet."""
    project = folder / "project"
    project.mkdir()
    (folder / "backend").mkdir()
    for name in ("__main__.py", "settings", "decide", "components", "host"):
        (project / name).symlink_to(ROOT / name)
    described = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
    described["runtime"]["options"] = {"toolchain": "pip", "virtualenv": sys.prefix}
    (project / "Pulumi.yaml").write_text(yaml.safe_dump(described))
    (project / "stacks").mkdir()
    return project
