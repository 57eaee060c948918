"""What has to be there before the rehearsal can begin. Standard library only: it speaks where nothing else can."""

import importlib.util
import sys

COMMAND = ".venv/bin/python -m lab"
"""The rehearsal, in a form that can be pasted."""
NEEDED = (
    *("google", "grpc", "jsonschema_rs", "kubernetes_validate"),
    *("pulumi", "pulumi_command", "pulumi_kubernetes", "rich", "yaml"),
)
OLDEST = (3, 10)


def demand(module: str) -> None:
    """Ends with one sentence and exit status 2 where packages are missing, or Python is too old for them."""
    why = _missing()
    if why:
        sys.exit(_said(f"{why}: run make setup, then .venv/bin/python -m {module} ..."))


def _missing() -> str:
    if sys.version_info[:2] < OLDEST:
        return f"The rehearsal needs Python {OLDEST[0]}.{OLDEST[1]} or newer, this is {sys.version.split()[0]}"
    names = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    return f"This Python lacks packages that the rehearsal needs ({', '.join(names)})" if names else ""


def _said(sentence: str) -> int:
    sys.stderr.write(sentence + "\n")
    return 2
