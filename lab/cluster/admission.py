"""What the API server refuses to take: pods against Pod Security, and pods with a RuntimeClass that does not exist."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lab.cluster.store import ApiError, Cluster, Object

LONGEST_LABEL = 63
_CRITICAL = ("system-node-critical", "system-cluster-critical")
_LABEL = "pod-security.kubernetes.io/enforce"
_BASELINE_CAPABILITIES = {
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE",
    "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
}  # fmt: skip


def admit(cluster: Cluster, obj: Object) -> None:
    """Completes or refuses an object that is about to be made."""
    if obj["kind"] == "Namespace":
        obj["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = obj["metadata"]["name"]
        obj["status"] = {"phase": "Active"}
    if obj["kind"] == "Job":
        _check_job_name(obj)
    if obj["kind"] == "Pod":
        obj["status"] = {"phase": "Pending", "qosClass": "BestEffort"}
        _check_runtime_class(cluster, obj)
        _check_critical(cluster, obj)
        _check_security(cluster, obj)


def _check_job_name(job: Object) -> None:
    """A Job's name becomes a label of its pods."""
    name = str(job["metadata"].get("name", ""))
    if len(name) > LONGEST_LABEL:
        why = f'spec.template.labels: Invalid value: "{name}": must be no more than {LONGEST_LABEL} characters'
        raise ApiError("Invalid", f'Job.batch "{name}" is invalid: {why}')


def _forbidden(pod: Object, why: str) -> ApiError:
    name = pod["metadata"].get("name") or pod["metadata"]["generateName"]
    return ApiError("Forbidden", f'pods "{name}" is forbidden: {why}')


def _check_runtime_class(cluster: Cluster, pod: Object) -> None:
    wanted = pod["spec"].get("runtimeClassName")
    if wanted and cluster.get("RuntimeClass", wanted) is None:
        raise _forbidden(pod, f'pod rejected: RuntimeClass "{wanted}" not found')


def _check_critical(cluster: Cluster, pod: Object) -> None:
    """GKE admits critical pods outside of kube-system only where a quota allows for them."""
    wanted, space = pod["spec"].get("priorityClassName", ""), pod["metadata"]["namespace"]
    if cluster.spec["cloud"]["name"] != "gcp" or not wanted.startswith("system-") or space == "kube-system":
        return
    if not any(_allows(one, wanted) for one in cluster.list("ResourceQuota", space)):
        scope = f"[{{PriorityClass In [{' '.join(_CRITICAL)}]}}]"
        raise _forbidden(pod, f"insufficient quota to match these scopes: {scope}")


def _allows(quota: Object, priority: str) -> bool:
    scopes = quota["spec"].get("scopeSelector", {}).get("matchExpressions", ())
    return any(one["scopeName"] == "PriorityClass" and priority in one.get("values", ()) for one in scopes)


def _check_security(cluster: Cluster, pod: Object) -> None:
    namespace = cluster.get("Namespace", pod["metadata"]["namespace"])
    labels = namespace["metadata"].get("labels", {}) if namespace else {}
    level = labels.get(_LABEL, "privileged")
    found = list(violations(pod["spec"], level))
    if found:
        version = labels.get(f"{_LABEL}-version", "latest")
        raise _forbidden(pod, f'violates PodSecurity "{level}:{version}": {", ".join(found)}')


def violations(spec: Object, level: str) -> Iterator[str]:
    """What in a pod a level of Pod Security does not allow, in the words of the API server."""
    if level in ("baseline", "restricted"):
        yield from _baseline(spec)
    if level == "restricted":
        yield from _restricted(spec)


def _baseline(spec: Object) -> Iterator[str]:
    containers = _containers(spec)
    shared = [f"{key}=true" for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    if shared:
        yield f"host namespaces ({', '.join(shared)})"
    if bad := [c for c in containers if _context(c).get("privileged")]:
        yield f"privileged ({_named(bad)} must not set securityContext.privileged=true)"
    if bad := [c for c in containers if set(_added(c)) - _BASELINE_CAPABILITIES]:
        where = "in securityContext.capabilities.add"
        yield f"non-default capabilities ({_named(bad)} must not include {_quoted(_added(bad[0]))} {where})"
    if volumes := [v["name"] for v in spec.get("volumes", ()) if "hostPath" in v]:
        yield f"hostPath volumes (volume{'s' if len(volumes) > 1 else ''} {_quoted(volumes)})"


def _restricted(spec: Object) -> Iterator[str]:
    containers, pod = _containers(spec), spec.get("securityContext") or {}
    if bad := [c for c in containers if _context(c).get("allowPrivilegeEscalation") is not False]:
        must = f"{_named(bad)} must set securityContext.allowPrivilegeEscalation=false"
        yield f"allowPrivilegeEscalation != false ({must})"
    if bad := [c for c in containers if "ALL" not in (_context(c).get("capabilities") or {}).get("drop", ())]:
        yield f'unrestricted capabilities ({_named(bad)} must set securityContext.capabilities.drop=["ALL"])'
    if bad := [c for c in containers if not _context(c).get("runAsNonRoot", pod.get("runAsNonRoot"))]:
        yield f"runAsNonRoot != true (pod or {_named(bad)} must set securityContext.runAsNonRoot=true)"
    if bad := [c for c in containers if _context(c).get("runAsUser", pod.get("runAsUser")) == 0]:
        yield f"runAsUser=0 ({_named(bad)} must not set runAsUser=0)"
    if bad := [c for c in containers if not (_context(c).get("seccompProfile") or pod.get("seccompProfile"))]:
        yield (
            f"seccompProfile (pod or {_named(bad)} must set securityContext.seccompProfile.type "
            'to "RuntimeDefault" or "Localhost")'
        )


def _containers(spec: Object) -> list[Object]:
    return [*spec.get("initContainers", ()), *spec.get("containers", ())]


def _context(container: Object) -> dict[str, Any]:
    return container.get("securityContext") or {}


def _added(container: Object) -> list[str]:
    return list((_context(container).get("capabilities") or {}).get("add", ()))


def _quoted(names: list[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _named(containers: list[Object]) -> str:
    return f"container{'s' if len(containers) > 1 else ''} {_quoted([c['name'] for c in containers])}"
