"""The rehearsal's keys: of the right form, and of no use to anybody."""

from __future__ import annotations

import base64
import secrets

from lab.cloud.kind import Desk, Kind
from lab.provider import Props

_FAR = "rehearsal-placeholder: no private key"


def _key(_desk: Desk, _inputs: Props) -> str:
    """The id, of which the rest is made: made once, and kept in the state, as the real one is."""
    return secrets.token_hex(20)


def _outputs(_desk: Desk, id: str, _inputs: Props) -> Props:
    kind, data = b"ssh-ed25519", bytes.fromhex(id)[:16] * 2
    wire = len(kind).to_bytes(4, "big") + kind + len(data).to_bytes(4, "big") + data
    public = f"{kind.decode()} {base64.b64encode(wire).decode()}\n"
    return {"publicKeyOpenssh": public, "publicKeyPem": "", "privateKeyOpenssh": _FAR, "privateKeyPem": _FAR}


KINDS = {
    "tls:index/privateKey:PrivateKey": Kind(
        inputs=frozenset(["algorithm", "ecdsaCurve", "rsaBits"]),
        id_of=_key,
        outputs=_outputs,
        computed=("publicKeyOpenssh", "publicKeyPem", "privateKeyOpenssh", "privateKeyPem"),
        replaces=("algorithm", "ecdsaCurve", "rsaBits"),
        required=("algorithm",),
        name_key="",
        seconds={"create": 0.1, "update": 0.1, "delete": 0.1},
    )
}
CALLS: dict[str, object] = {}
