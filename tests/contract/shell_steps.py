"""Lines of shell as a step that knows lib.sh, on a host that is a folder."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from host import script

HOST = Path(script.__file__).parent


def step(root: Path, body: str, *args: str) -> subprocess.CompletedProcess[str]:
    """Runs lines of shell as a step that knows lib.sh."""
    bundle = root / "tools"
    bundle.mkdir(exist_ok=True)
    (root / "run").mkdir(exist_ok=True)
    for part in ("lib.sh", "packages.sh", "apt.sh", "rpm.sh", "card.sh", "node.sh"):
        shutil.copy(HOST / part, bundle)
    (bundle / "some.sh").write_text(f'. "${{0%/*}}/lib.sh"\nalone\n{body}\n')
    environment = {"PATH": f"{root / 'bin'}:{os.defpath}", "GPU_READY_ROOT": str(root)}
    command = ["sh", str(bundle / "some.sh"), *(args or ("apply",))]
    return subprocess.run(command, input="", capture_output=True, text=True, check=False, env=environment)


def small_root(tmp_path: Path) -> Path:
    """A host with one file of its own."""
    tmp_path = tmp_path / "root"
    tmp_path.mkdir()
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/machine-id").write_text("0" * 32 + "\n")
    (tmp_path / "etc/own.conf").write_text("theirs\n")
    (tmp_path / "etc/own.conf").chmod(0o640)
    return tmp_path
