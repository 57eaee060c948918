"""What `validation.nccl` does not go together with."""

from collections.abc import Iterator
from typing import Any

from settings.faults import FIX, Fault
from settings.kinds import BROKEN

PATH = "validation.nccl"


def faults(config: Any, _: set[str]) -> Iterator[Fault]:
    """PyTorch, and whole cards that the device plugin hands out."""
    wish, sharing = config.validation, config.gpu.sharing
    if wish.nccl is not True or BROKEN in (wish.framework, sharing):
        return
    if wish.framework is None:
        yield Fault(PATH, "is a program of PyTorch, and no image with it is chosen", "framework: pytorch")
    elif wish.framework.kind == "tensorflow":
        yield Fault(PATH, "is a program of PyTorch, which the image of tensorflow does not have", "framework: pytorch")
    if any(one not in (None, BROKEN) for one in (sharing.time_slicing, sharing.mps, sharing.mig)) or _in_pools(config):
        problem = "is about whole cards, and here they are shared or divided: parts of a card have no way to each other"
        yield Fault(PATH, problem, "leave nccl out, or the sharing", FIX)
    if getattr(config.gpu, "allocation", None) == "dra":
        yield Fault(PATH, "asks the device plugin for all cards of a node, and DRA hands them out", "nccl: false")


def _in_pools(config: Any) -> bool:
    pools = getattr(config.gke, "pools", ()) if config.gke else ()
    return pools is not BROKEN and any(one.sharing or one.partition_size for one in pools)
