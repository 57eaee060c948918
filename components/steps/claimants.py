"""Who hands out cards by claims, and who has them."""

from typing import List

from components.steps.kubectl import objects
from decide.reading import Obj, Verdict, broken, list_at, name_of, space_of, text_at


def serves_claims(daemon_set: Obj) -> bool:
    """NVIDIA's DRA driver, under its name of today or of before, where it offers cards."""
    inside = list_at(daemon_set, "spec", "template", "spec", "containers")
    return "-gpu-kubelet-plugin" in name_of(daemon_set) and "gpus" in [one.get("name") for one in inside]


def still_claimed(snapshot: Obj, params: Obj) -> List[Verdict]:
    """Cards that pods hold by claims, where a plugin would hand them out again once this DRA driver has gone."""
    if "daemon_set" in params["operator"] or not any(map(serves_claims, list_at(snapshot, "daemonsets"))):
        return []
    claims = objects(params, "resourceclaims.resource.k8s.io", "-A")
    held = [
        f"{space_of(one)}/{text_at(pod, 'name')}" for one in claims for pod in list_at(one, "status", "reservedFor")
    ]
    problem = f"pods hold cards by claims, which a device plugin does not see: {', '.join(held[:5])}"
    return [broken("CFG-16", problem)] if held else []
