"""Writes an executable `kubectl` that answers from a simulated cluster."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
_PROGRAM = """\
import sys
sys.path.insert(0, sys.argv.pop(1))
from lab.cluster.kubectl import main
sys.exit(main(sys.argv[1:]))
"""


def install(folder: Path, world: Path) -> Path:
    """Puts the stand-in into a folder that comes first on PATH; isolated Python keeps its start short."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "kubectl"
    call = shlex.join([sys.executable, "-I", "-S", "-c", _PROGRAM, str(ROOT), str(Path(world).resolve())])
    text = f'#!/bin/sh\nexec {call} "$@"\n'
    if not target.exists() or target.read_text() != text:
        target.write_text(text)
        target.chmod(0o755)
    return target


_LOGINS = {"gcp": "gke-gcloud-auth-plugin", "aws": "aws"}
_MISSING = '#!/bin/sh\necho "$0: not found" >&2\nexit 127\n'
_THERE = "#!/bin/sh\necho Kubernetes v1.33.0 stand-in\n"


def logins(folder: Path, cloud: dict[str, Any]) -> None:
    """The program that logs in to the clusters of a cloud; missing, it hides one that this machine really has."""
    if program := _LOGINS.get(str(cloud.get("name"))):
        target, text = folder / program, _THERE if cloud["login"] else _MISSING
        if not target.exists() or target.read_text() != text:
            target.write_text(text)
            target.chmod(0o755)
