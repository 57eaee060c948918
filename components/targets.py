"""Which component makes the GPU nodes of a target; loaded when chosen, as the SDK of a cloud costs seconds."""

from importlib import import_module
from typing import Any

NODES = {
    "cluster": "components.existing:ExistingGpuNodes",
    "bareMetal": "components.bare_metal:BareMetalGpuNodes",
    "aws": "components.aws:AwsGpuNodes",
}


def gpu_nodes(target: str, name: str, args: Any) -> Any:
    """The GPU nodes of a stack."""
    module, _, component = NODES[target].partition(":")
    return getattr(import_module(module), component)(name, args)
