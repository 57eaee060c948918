"""The workloads of docs/workloads before a real API server: nothing is made, each of their fields is checked."""

from pathlib import Path

import pytest
import yaml

from lab.cluster.store import ApiError, Object
from lab.real.cluster import RealCluster

REAL = ("kube-apiserver with its admission", "etcd")
STANDINS = ("kubelets (kwok)",)
FOLDER = Path(__file__).resolve().parents[2] / "docs" / "workloads"
CLASS = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "nvidia"}, "handler": "nvidia"}


def objects() -> list[Object]:
    found = [one for file in sorted(FOLDER.glob("*.yaml")) for one in yaml.safe_load_all(file.read_text())]
    return sorted(found, key=lambda one: str(one["kind"]) != "Namespace")


def pod_of(one: Object) -> Object:
    """What its controller would make: only of a pod itself Pod Security and RuntimeClass are asked."""
    meta, template = {"name": one["metadata"]["name"], "namespace": "ml"}, one["spec"]["template"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta,
        "spec": {"restartPolicy": "Always", **template["spec"]},
    }


def test_the_server_takes_all_workloads_of_the_docs_and_lets_their_pods_in(cluster: RealCluster) -> None:
    space, *rest = objects()
    cluster.api.create(space, "somebody")
    cluster.api.create(CLASS, "somebody")
    pods = [pod_of(one) for one in rest if "template" in one["spec"]]
    assert len(pods) >= 4
    for one in [*rest, *pods]:
        cluster.api.create(one, "somebody", dryRun="All")
    bold = pods[0] | {"spec": {**pods[0]["spec"], "securityContext": {}}}
    with pytest.raises(ApiError, match="violates PodSecurity"):
        cluster.api.create(bold, "somebody", dryRun="All")
    with pytest.raises(ApiError, match="runtime_class_name"):
        cluster.api.create({**rest[0], "spec": {**rest[0]["spec"], "runtime_class_name": "nvidia"}}, "a", dryRun="All")
