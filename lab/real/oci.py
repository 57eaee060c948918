"""A chart as a registry hands it out: a tag leads to a manifest, that to the file and to what it says of itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.cncf.helm.config.v1+json"
LAYER = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"


class Answer(NamedTuple):
    """What the registry sends."""

    kind: str
    content: bytes

    @property
    def digest(self) -> str:
        """By which content is named."""
        return f"sha256:{hashlib.sha256(self.content).hexdigest()}"

    def named(self) -> dict[str, Any]:
        """As a manifest names it."""
        return {"mediaType": self.kind, "digest": self.digest, "size": len(self.content)}


def answer(path: str, charts: Mapping[str, tuple[Path, dict[str, Any]]]) -> Answer | None:
    """What stands at `/v2/NAME/manifests/TAG` or `/v2/NAME/blobs/DIGEST`; of each tag the file and what it says."""
    kind, _, wanted = path.rpartition("/")
    for tag, (file, about) in charts.items():
        config = Answer(CONFIG, json.dumps(about, sort_keys=True).encode())
        layer = Answer(LAYER, file.read_bytes())
        parts = {"config": config.named(), "layers": [layer.named()]}
        manifest = Answer(MANIFEST, json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, **parts}).encode())
        found = [manifest] if tag == wanted else [one for one in (manifest, config, layer) if one.digest == wanted]
        if found and kind.endswith(("/manifests", "/blobs")):
            return found[0]
    return None
