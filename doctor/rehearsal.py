"""The way into the rehearsal: an environment whose ssh reaches simulated machines. Made by a program of the rehearsal,
because nothing that touches real hosts loads any of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from doctor.words import last_line
from settings.stack_file import WrongUse

MAKER = "lab.host.ssh_standin"
WORLD = "demo"
"""A first contact in the rehearsal finds machines like those of this stack."""


def environment(root: Path, stack: str, *new: str) -> dict[str, str]:
    """Ours, with a PATH that has the stand-ins first. `new`: name and context of a stack that is about to be."""
    importable = os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    made = subprocess.run(
        [sys.executable, "-m", MAKER, stack, *new],
        env={**os.environ, "PYTHONPATH": importable},
        capture_output=True,
        check=False,
    )
    try:
        changes = json.loads(made.stdout)
    except ValueError:
        raise WrongUse(last_line(made.stderr) or f"{MAKER} ended with {made.returncode}.") from None
    return {**os.environ, **changes}
