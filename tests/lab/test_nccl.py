"""The all-reduce over all cards of a node on a real API server: a Job that sleeps, one that runs, one that fails."""

from lab.cluster.store import Object
from tests.lab.real_cluster import RealHouse, verdicts

REAL = ("kube-apiserver, -controller-manager and -scheduler", "etcd", "kubectl", "helm")
STANDINS = ("kubelets (kwok)", "the operator and its chart", "containers and what they print")


def test_nodes_with_several_cards_are_measured_and_those_with_one_sleep(house: RealHouse) -> None:
    before = house.cluster.snapshot()
    house.config["validation"] |= {"framework": "pytorch", "nccl": True}
    one, two = house.up().outputs["report"]["nodes"]
    assert ("nccl" in one, two["nccl"]["cards"]) == (False, 2)
    assert sorted(bool(one["suspend"]) for one in specs(house)) == [False, True]
    assert set(house.up().changes) == {"same"}

    house.cluster.gpus.switch("jobs.fault", "nccl-memory")
    failed = house.run("up", validation={"run": 2})
    assert verdicts(failed)[-1].startswith("NCCL-2 shared memory: gpu-2: "), failed.errors
    house.cluster.gpus.reset()
    house.up(validation={"run": 2})
    assert house.run("destroy").exit == 0
    assert house.cluster.left(before) == []


def specs(house: RealHouse) -> list[Object]:
    """Those of the Jobs that are about several cards."""
    found = [job["spec"] for job in house.cluster.api.list("Job", "gpu-ready")]
    return [one for one in found if one["template"]["spec"]["containers"][0]["name"] == "nccl"]
