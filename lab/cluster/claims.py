"""Claims of pods: made from templates, met by the scheduler with devices of a node, given back when pods are over."""

from __future__ import annotations

from lab.cluster import host
from lab.cluster.store import Cluster, Object

NO_ROOM = "cannot allocate all claims"


def run_claims(cluster: Cluster) -> None:
    """The controller of claims: one for each wish of a pod, as long as that is at work."""
    for pod in cluster.list("Pod"):
        wished = pod["spec"].get("resourceClaims", ())
        if wished and pod["status"]["phase"] in ("Succeeded", "Failed"):
            for claim in list(cluster.owned(pod["metadata"]["uid"], "ResourceClaim")):
                cluster.remove(claim)
        elif wished:
            _make(cluster, pod, wished)


def _make(cluster: Cluster, pod: Object, wished: list[Object]) -> None:
    from lab.cluster.jobs import owner  # which needs the scheduler, which needs this

    meta = pod["metadata"]
    made = {one["name"] for one in pod["status"].get("resourceClaimStatuses", ())}
    for one in wished:
        template = cluster.get("ResourceClaimTemplate", one.get("resourceClaimTemplateName", ""), meta["namespace"])
        if one["name"] in made or template is None:
            continue
        claim = cluster.create(
            {
                "apiVersion": "resource.k8s.io/v1",
                "kind": "ResourceClaim",
                "metadata": {
                    "generateName": f"{meta['name']}-{one['name']}-",
                    "namespace": meta["namespace"],
                    "annotations": {"resource.kubernetes.io/pod-claim-name": one["name"]},
                    "ownerReferences": [owner(pod)],
                },
                "spec": template["spec"]["spec"],
            }
        )
        status = {"name": one["name"], "resourceClaimName": claim["metadata"]["name"]}
        pod["status"].setdefault("resourceClaimStatuses", []).append(status)
        cluster.touch(pod)


def of_pod(cluster: Cluster, pod: Object) -> list[Object] | None:
    """The claims of a pod; None while one that it names is not there."""
    made = {one["name"]: one["resourceClaimName"] for one in pod["status"].get("resourceClaimStatuses", ())}
    names = [one.get("resourceClaimName") or made.get(one["name"], "") for one in pod["spec"].get("resourceClaims", ())]
    found = [cluster.get("ResourceClaim", name, pod["metadata"]["namespace"]) for name in names]
    return [one for one in found if one] if all(found) else None


def missing(cluster: Cluster, pod: Object) -> str:
    """What of a pod's claims is not there at all, in the scheduler's words."""
    claims = of_pod(cluster, pod)
    if claims is None:
        wished = [one for one in pod["spec"]["resourceClaims"] if one.get("resourceClaimName")]
        name = wished[0]["resourceClaimName"] if wished else ""
        return f'resourceclaim "{name}" not found' if name else "waiting for resource claim controller to create claims"
    for claim in claims:
        for request in claim["spec"]["devices"]["requests"]:
            named = request["exactly"]["deviceClassName"]
            if cluster.get("DeviceClass", named) is None:
                return f"request {request['name']}: device class {named} does not exist"
    return ""


def refusal(cluster: Cluster, pod: Object, node: Object) -> str:
    """Why a node cannot meet a pod's claims; empty where it can."""
    asked = sum(_count(claim) for claim in of_pod(cluster, pod) or () if not _allocated(claim))
    elsewhere = [one for claim in of_pod(cluster, pod) or () for one in _allocated(claim)]
    if any(one["pool"] != node["metadata"]["name"] for one in elsewhere):
        return "resourceclaim not available on the node"
    return NO_ROOM if asked > len(_free(cluster, node["metadata"]["name"])) else ""


def bind(cluster: Cluster, pod: Object, node: str) -> None:
    """The scheduler notes which devices a claim has, and for whom."""
    for claim in of_pod(cluster, pod) or ():
        status = claim.setdefault("status", {})
        if not _allocated(claim):
            devices, requests = iter(_free(cluster, node)), claim["spec"]["devices"]["requests"]
            results = [
                {"request": one["name"], "driver": host.DRIVER, "pool": node, "device": next(devices)}
                for one in requests
                for _ in range(one["exactly"].get("count", 1))
            ]
            status["allocation"] = {"devices": {"results": results}}
        user = {"resource": "pods", "name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]}
        status["reservedFor"] = [*status.get("reservedFor", ()), user]
        cluster.touch(claim)


def _count(claim: Object) -> int:
    return sum(one["exactly"].get("count", 1) for one in claim["spec"]["devices"]["requests"])


def _allocated(claim: Object) -> list[Object]:
    found = claim.get("status", {}).get("allocation", {}).get("devices", {}).get("results", [])
    return list(found)


def _free(cluster: Cluster, node: str) -> list[str]:
    slices = [one["spec"] for one in cluster.list("ResourceSlice") if one["spec"].get("nodeName") == node]
    given = [one for claim in cluster.list("ResourceClaim") for one in _allocated(claim) if one["pool"] == node]
    taken = {one["device"] for one in given}
    return [card["name"] for one in slices for card in one["devices"] if card["name"] not in taken]
