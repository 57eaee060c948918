"""How a stack on GKE is taken back, and what it costs meanwhile."""

from collections.abc import Mapping
from typing import Any


def destroy_hint(stack: str, gke: Mapping[str, Any], hint: str) -> str:
    """Both commands in their order: destroy deletes what is not protected first, and stops at the pool."""
    if gke.get("allow_replace"):
        return hint
    first = f"pulumi config set --path gpu-ready:gke.allowReplace true -s {stack} && pulumi up -s {stack}"
    return f"first, because pools are protected: {first}\nthen: {hint}"
