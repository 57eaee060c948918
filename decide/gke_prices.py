"""What a node costs: a small dated table, and nothing where it has no row. Never a guess.

Source: skypilot's catalogue of Google's list prices (v8, as of 2026), compared on 2026-11-21. Two versions of it differ
by 40 % on the machine's part of spot, and some rows are plainly wrong: those are not here. Larger machines are
not multiplied out, for nobody has seen their rows.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from decide import gke_cluster
from decide.gke_machines import region_of

DATED = "list price of 2026"
HOURS = 730  # of a month, as clouds count
NOT_COUNTED = "without disk, traffic and cluster fee"


class Price(NamedTuple):
    """USD per node and hour; None where no row could be believed."""

    on_demand: float | None
    spot: float | None


_USUAL = Price(3.673, 1.80)
PRICES: Mapping[tuple[str, str], Price] = {
    ("a2-highgpu-1g", "us-central1"): _USUAL,
    ("a2-highgpu-1g", "us-east1"): _USUAL,
    ("a2-highgpu-1g", "us-west1"): _USUAL,
    ("a2-highgpu-1g", "us-west4"): Price(3.93, 1.57),
    ("a2-highgpu-1g", "us-west3"): Price(4.33, 1.97),
    # On demand the row of europe-west4 looks halved, so that only its neighbours' level is known.
    ("a2-highgpu-1g", "europe-west4"): Price(None, 1.49),
    ("a2-ultragpu-1g", "us-central1"): Price(None, 2.51),
}


def lines(gke: Mapping[str, Any]) -> Iterator[str]:
    """A line per pool: what a node costs, and how many there are at least and at most."""
    for pool in gke.get("pools") or ():
        least, most = int(pool.get("min_nodes") or 0), int(pool.get("max_nodes") or 1)
        count = f"{least} to {most} nodes{', none while no pod asks for a card' if not least else ''}"
        yield f"cost: pool {pool['name']}: {count}; {_of_node(pool, gke)}"
    if gke["cluster"].get("create"):
        yield _of_cluster(gke)


def _of_cluster(gke: Mapping[str, Any]) -> str:
    """What runs whether a pod asks for a card or not."""
    pool = gke_cluster.system_pool(gke)
    nodes = f"{pool['node_count']} x {pool['node_config']['machine_type']} in each zone"
    nat = " and Cloud NAT" if gke_cluster.needs_nat(gke) else ""
    return f"cost: cluster {gke['cluster']['name']}: its own fee, {nodes}{nat}, always; no dated price is known here"


def _of_node(pool: Mapping[str, Any], gke: Mapping[str, Any]) -> str:
    kind, region = str(pool["machine_type"]), region_of(gke["location"])
    how = str(pool.get("capacity") or "onDemand")
    known = PRICES.get((kind, region), Price(None, None))
    price = {"onDemand": known.on_demand, "spot": known.spot}.get(how)
    if price is None:
        return f"no believable price of {kind} in {region} ({how}) is known here: cloud.google.com/products/calculator"
    about = "about " if how == "spot" else ""
    per_month = f"{price * HOURS:,.0f} per month"
    return f"{kind} in {region} {about}{price:.2f} USD per node and hour, {per_month} ({how}, {DATED}, {NOT_COUNTED})"
