"""How a stack on GKE is taken back, and what it costs meanwhile."""

from collections.abc import Mapping
from typing import Any

from decide.gke_failures import BY_ID

PROTECTED = "first, because pools are protected (GKE-32): "
ALLOWED = "gke.allowReplace=true"


def lines(gke: Mapping[str, Any]) -> list[str]:
    """What the engine's refusal to replace or delete a protected pool means, for it knows nothing of our settings."""
    if gke.get("allow_replace"):
        return []
    head, fix = BY_ID["GKE-32"].lines()
    return [f"{head}; {fix}"]


def destroy_hint(stack: str, gke: Mapping[str, Any], hint: str) -> str:
    """Both commands in their order: destroy deletes what is not protected first, and stops at the pool."""
    if gke.get("allow_replace"):
        return hint
    first = f"pulumi config set --path gpu-ready:gke.allowReplace true -s {stack} && pulumi up -s {stack}"
    return f"{PROTECTED}{first}\nthen: {hint}"
