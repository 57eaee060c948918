"""What a node costs: a small dated table, and nothing where it has no row. Never a guess.

Sources: skypilot's catalogue of Amazon's list prices (v8, versions of 2026), a list of on-demand prices of 2026-06-17;
compared on 2026-11-21. Spot differs by zone and hour, so that it is a range.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

DATED = "list price of 2026"
HOURS = 730  # of a month, as clouds count
NOT_COUNTED = "without disk, traffic and the cluster's own fee"
OF_A_HOST = "without disk, address and traffic"
CALCULATOR = "calculator.aws"


class Price(NamedTuple):
    """USD per node and hour; the second and third the lowest and the highest of spot."""

    on_demand: float | None
    spot: tuple[float, float] | None


PRICES: Mapping[tuple[str, str], Price] = {
    ("g5.xlarge", "us-east-1"): Price(1.006, (0.43, 0.44)),
    ("g5.xlarge", "us-east-2"): Price(1.006, (0.38, 0.39)),
    ("g5.xlarge", "us-west-2"): Price(1.006, (0.48, 0.51)),
    ("g5.4xlarge", "us-east-1"): Price(1.624, (0.64, 0.71)),
    ("g5.4xlarge", "us-east-2"): Price(None, (0.62, 0.65)),
    ("g5.4xlarge", "us-west-2"): Price(None, (0.55, 0.60)),
    ("g5.8xlarge", "us-east-1"): Price(2.448, (0.84, 0.96)),
}


def lines(wish: Mapping[str, Any]) -> Iterator[str]:
    """What a node of the group costs, and how many there are."""
    least, most = (wish["min"], wish["max"]) if wish.get("autoscaler") else (wish["desired"], wish["desired"])
    count = f"{least} to {most} nodes" if least != most else f"{most} node{'s' if most != 1 else ''}"
    yield f"cost: node group {wish['name']}: {count}; {_of_node(wish)}"
    if wish.get("make"):
        made = wish["make"]
        nodes = f"{made['system_nodes']} x {made['system_type']}"
        yield f"cost: cluster {made['name']}: its own fee, {nodes} and a NAT gateway by the hour: {CALCULATOR}"


def host_lines(region: str, hosts: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What each host that is an instance costs."""
    for host in hosts:
        wish = {"instance_types": [host["ec2"]["type"]], "region": region, "capacity": "onDemand"}
        yield f"cost: host {host['name']}: {_of_node(wish, OF_A_HOST)}"


def _of_node(wish: Mapping[str, Any], beside: str = NOT_COUNTED) -> str:
    kind, region, how = wish["instance_types"][0], wish["region"], wish["capacity"]
    known = PRICES.get((kind, region), Price(None, None))
    about = f"per node and hour ({how}, {DATED}, {beside})"
    if how == "onDemand" and known.on_demand:
        return (
            f"{kind} in {region} {known.on_demand:.3f} USD {about}; {known.on_demand * HOURS:,.0f} per node and month"
        )
    if how == "spot" and known.spot:
        low, high = known.spot
        return f"{kind} in {region} about {low:.2f} to {high:.2f} USD {about}"
    return f"no believable price of {kind} in {region} ({how}) is known here: {CALCULATOR}"
