"""What hands out cards, as the steps that look for it have to know it."""

from decide import defaults

DAEMON_SET = f"{defaults.DRA_RELEASE}-kubelet-plugin"

BESIDE = "remove it first: a device plugin and the DRA driver on one node give a card away twice"


def bringer(mode: str, by_claim: bool) -> dict[str, str]:
    """Helm's name of it; and of the DRA driver what tells it from a device plugin."""
    if by_claim:
        return {"release": defaults.DRA_RELEASE, "daemon_set": DAEMON_SET, "beside": BESIDE}
    return {"release": defaults.PLUGIN_RELEASE if mode == "none" else defaults.RELEASE_NAME}
