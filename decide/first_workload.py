"""The first thing to run on nodes that are GPU-ready: a Pod to copy, with exactly what these nodes ask for."""

import json
from collections.abc import Mapping, Sequence

from decide import defaults

COMMAND = ["nvidia-smi"]
USER = 65532  # nobody's on any image: it needs no rights, and namespaces of level `restricted` admit it
CLAIM = (
    "apiVersion: resource.k8s.io/v1",
    "kind: ResourceClaimTemplate",
    "metadata:",
    "  name: one-gpu",
    "spec:",
    "  spec:",
    "    devices:",
    "      requests:",
    "        - name: gpu",
    "          exactly:",
    f"            deviceClassName: {defaults.DEVICE_CLASS}",
    "---",
)
BY_CLAIM = (
    "        claims:",
    "          - name: gpu",
    "  resourceClaims:",
    "    - name: gpu",
    "      resourceClaimTemplateName: one-gpu",
)


def manifest(
    node_selector: Mapping[str, str],
    tolerations: Sequence[Mapping[str, str]],
    runtime_class: str = "",
    image: str = "",
    resource: str = defaults.RESOURCE_NAME,
) -> str:
    """YAML of a Pod without privileges that asks for one card, or slice; without a resource by a claim, made first."""
    lines = [
        *([] if resource else CLAIM),
        "apiVersion: v1",
        "kind: Pod",
        "metadata:",
        "  name: first-gpu-pod",
        "spec:",
        "  restartPolicy: Never",
        *([f"  runtimeClassName: {runtime_class}"] if runtime_class else []),
        *_block("nodeSelector", [f"{key}: {json.dumps(value)}" for key, value in sorted(node_selector.items())]),
        *_block("tolerations", [f"- {json.dumps(dict(one))}" for one in tolerations]),
        "  securityContext:",
        "    runAsNonRoot: true",
        f"    runAsUser: {USER}",
        "    seccompProfile:",
        "      type: RuntimeDefault",
        "  containers:",
        "    - name: cuda",
        f"      image: {image or defaults.SMI_IMAGE}",
        f"      command: {json.dumps(COMMAND)}",
        "      securityContext:",
        "        allowPrivilegeEscalation: false",
        "        capabilities:",
        '          drop: ["ALL"]',
        "      resources:",
        *(["        limits:", f"          {resource}: 1"] if resource else BY_CLAIM),
    ]
    return "\n".join(lines) + "\n"


def _block(name: str, entries: Sequence[str]) -> list[str]:
    """An entry of the spec with one line for each value; nothing where there is none."""
    return [f"  {name}:", *(f"    {entry}" for entry in entries)] if entries else []
