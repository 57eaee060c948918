"""The programs that a kubeconfig logs in with: looked for before anything is made that could not be reached then."""

import json
import subprocess

from components.steps.kubectl import refuse
from decide.reading import Obj, broken


def main(params: Obj) -> int:
    """0 and what was found as JSON, or 3 and the first that is missing."""
    if version_of("kubectl") is None:
        return refuse(broken("PLM-11"))
    found = {}
    for program, fix in sorted(params.get("programs", {}).items()):
        said = version_of(program)
        if said is None:
            return refuse(broken("PLM-17", f"{program} is not on PATH", fix=fix))
        found[program] = said
    print(json.dumps({"programs": sorted(found)}))
    return 0


def version_of(program: str) -> "str | None":
    """What the program says of itself; None where there is none."""
    try:
        done = subprocess.run(
            [program, "--version"], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False
        )
    except OSError:
        return None
    except subprocess.TimeoutExpired:
        return ""
    # 127 is what a wrapper ends with whose program is gone.
    return None if done.returncode == 127 else done.stdout.decode("utf-8", "replace").strip()
