"""Rules between the settings of target `gke`: those of `decide.gke`, and what they mean for the validation."""

from collections.abc import Iterator
from typing import Any

from decide import gke
from decide.gke_pool import handed_out
from settings.faults import FIX, Fault
from settings.kinds import BROKEN, camel
from settings.known import Known
from settings.model import Config

Given = set[str]


def pools(config: Config, _: Given) -> Iterator[Fault]:
    """What cannot be, by the rules that the component has too."""
    if not sections(config) or config.gke is None:
        return
    platform = config.gpu.driver != "operator"
    for one in gke.faults(known(config.gke.plain()), platform):
        yield Fault(f"gke.{one.path}", f"{one.id}: {one.problem}", one.fix, FIX)
    images = {pool.image for pool in config.gke.pools if pool.image is not BROKEN}
    if not platform and len(images) > 1:
        problem = (
            "GKE-9: with gpu.driver: operator all pools need one image, because COS and Ubuntu get theirs in two ways"
        )
        yield Fault("gke.pools", problem, "image: COS_CONTAINERD in each pool", FIX)


def known(wish: dict[str, Any]) -> Known:
    """The section with its cluster and its pools, none of which is read before a rule asks."""
    return Known(wish, cluster=Known(wish["cluster"]), pools=[Known(pool) for pool in wish["pools"]])


def sections(config: Config) -> bool:
    """Whether there are a cluster and pools to have rules about."""
    return config.gke not in (None, BROKEN) and BROKEN not in (config.gke.cluster, config.gke.pools)


def readable(config: Config) -> bool:
    """Whether everything in the section could be read: faults of single values are listed already."""
    if config.gke is None or config.gke is BROKEN:
        return False
    parts = [config.gke, config.gke.cluster, *(config.gke.pools if config.gke.pools is not BROKEN else [BROKEN])]
    return all(one is not BROKEN and BROKEN not in list(vars(one).values()) for one in parts)


def something_to_prove(config: Config, given: Given) -> Iterator[Fault]:
    """A Job asks for one whole node of its pool, whose size is known; a queue gives none to a plain pod."""
    if not sections(config) or config.gke is None:
        return
    if "validation.gpus" in given and readable(config):
        sizes = ", ".join(f"{pool.name}: {handed_out(pool.plain())}" for pool in config.gke.pools)
        problem = f"has no effect with target gke: each Job asks for a whole node of its pool ({sizes})"
        yield Fault("validation.gpus", problem, "leave gpus out", FIX)
    queued = config.gke.pools and all(pool.capacity == "queued" for pool in config.gke.pools)
    if config.validation.enabled is True and queued:
        problem = "cannot prove a pool of capacity queued: its nodes come by Kueue or a ProvisioningRequest only"
        yield Fault("validation.enabled", problem, "enabled: false, or capacity: flexStart", FIX)


def of_a_cluster_of_ours(config: Config, given: Given) -> Iterator[Fault]:
    """Of a cluster that is there already nothing can be said but its name."""
    if not sections(config) or config.gke is None or config.gke.cluster.create is not False:
        return
    keys = sorted(camel(name) for name in vars(config.gke.cluster))
    for key in (one for one in keys if one not in ("name", "create") and f"gke.cluster.{one}" in given):
        problem = "has no effect on a cluster that is there already"
        yield Fault(f"gke.cluster.{key}", problem, f"leave {key} out, or create: true", FIX)


RULES = (pools, of_a_cluster_of_ours, something_to_prove)
