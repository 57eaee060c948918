"""Which changes of an object the Kubernetes provider replaces, and which it makes in place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.provider import Diff, Props
from lab.values import MISSING, Path, covers, diff_paths, get_path, parse_path, show_path, unwrap

_IDENTITY = ("metadata.name", "metadata.namespace")
_FORCE_NEW = {
    "ConfigMap": ("data", "binaryData"),
    "ClusterRoleBinding": ("roleRef",),
    "DaemonSet": ("spec.selector",),
    "Deployment": ("spec.selector",),
    "Job": ("spec.completions", "spec.parallelism", "spec.selector", "spec.template"),
    "PersistentVolumeClaim": ("spec",),
    "ResourceQuota": ("spec.scopes",),
    "RoleBinding": ("roleRef",),
    "Secret": ("type", "data", "stringData"),
    "StorageClass": ("parameters", "provisioner"),
}
"""Fields that the API does not let change, as far as the real provider knows them."""
_AUTONAMED: Path = ("metadata", "annotations", "pulumi.com/autonamed")


def pruned(live: Any, shape: Any) -> Any:
    """What the cluster has of the fields that the program gave."""
    if isinstance(live, Mapping) and isinstance(shape, Mapping):
        return {key: pruned(live[key], item) for key, item in shape.items() if key in live}
    if isinstance(live, list) and isinstance(shape, list) and len(live) == len(shape):
        return [pruned(a, b) for a, b in zip(live, shape, strict=True)]
    return live


def difference(old_inputs: Props, old_outputs: Props, new_inputs: Props) -> Diff:
    """Compares what the cluster was last seen to have with what the program wants."""
    old, new = unwrap(old_inputs), unwrap(new_inputs)
    # The server keeps a Secret in another form than it may be given in.
    known = old if new["kind"] == "Secret" else pruned(unwrap(old_outputs) or old, old)
    changed = [path for path in diff_paths(known, new) if path != _AUTONAMED]
    forced = [parse_path(text) for text in (*_IDENTITY, *_FORCE_NEW.get(new["kind"], ()))]
    replaces = [path for path in changed if any(covers(one, path) or covers(path, one) for one in forced)]
    same_place = all(get_path(known, parse_path(one)) == get_path(new, parse_path(one)) for one in _IDENTITY)
    autonamed = get_path(new, _AUTONAMED) is not MISSING
    return Diff(
        tuple(show_path(path) for path in changed),
        tuple(show_path(path) for path in replaces),
        bool(replaces) and same_place and not autonamed,
    )
