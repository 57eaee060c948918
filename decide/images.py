"""Where images come from: a mirror that keeps the paths, and the secrets by which nodes may pull there."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from decide import defaults, user_values
from decide.operator_values import Value
from decide.user_values import PLUGIN_SUBCHART, SUBCHART

DISCOVERY = "registry.k8s.io/nfd/node-feature-discovery"  # of both charts, in all supported versions
WHY = "gpu.images.registry: the same path there"
WHY_SECRETS = "gpu.images.pullSecrets: without them nodes may not pull there"


class Images(NamedTuple):
    """A registry that has all images under their paths, and secrets by name."""

    registry: str = ""
    pull_secrets: tuple[str, ...] = ()


def read(plain: Mapping[str, Any] | None) -> Images:
    """From plain values."""
    wish = plain or {}
    return Images(str(wish.get("registry") or ""), tuple(wish.get("pull_secrets") or ()))


def mirrored(image: str, images: Images) -> str:
    """The image in the mirror: its host replaced, its path kept."""
    return f"{images.registry}/{image.partition('/')[2]}" if images.registry else image


def placed(image: str, images: Images) -> str:
    """One of ours in the mirror; one that somebody named is where it was said to be."""
    ours = (defaults.SMI_IMAGE, defaults.CUDA_IMAGE, defaults.PYTORCH_IMAGE, defaults.TENSORFLOW_IMAGE)
    return mirrored(image, images) if image in ours else image


def operator_values(images: Images, version: str) -> Iterator[Value]:
    """Each image of the operator, as far as its chart names one."""
    known = user_values.chart(version)
    for key, usual in known.defaults.items():
        if images.registry and key.endswith(".repository") and usual and not user_values.gone(key, known):
            yield Value(key, mirrored(str(usual), images), WHY)
    yield from _of_discovery(images, SUBCHART)
    for key in sorted(known.places) if images.pull_secrets else ():
        if key.endswith(".imagePullSecrets") and not user_values.gone(key, known):
            yield Value(key, list(images.pull_secrets), WHY_SECRETS)


def plugin_values(images: Images, version: str, discovery: bool) -> Iterator[Value]:
    """Likewise of the plugin's chart, where secrets are objects."""
    usual = user_values.chart(version, user_values.PLUGIN.chart).defaults["image.repository"]
    if images.registry:
        yield Value("image.repository", mirrored(str(usual), images), WHY)
    if images.pull_secrets:
        yield Value("imagePullSecrets", _objects(images), WHY_SECRETS)
    if discovery:
        yield from _of_discovery(images, PLUGIN_SUBCHART)


def _of_discovery(images: Images, subchart: str) -> Iterator[Value]:
    if images.registry:
        yield Value(f"{subchart}.image.repository", mirrored(DISCOVERY, images), WHY)
    if images.pull_secrets:
        yield Value(f"{subchart}.imagePullSecrets", _objects(images), WHY_SECRETS)


def _objects(images: Images) -> list[dict[str, str]]:
    return [{"name": name} for name in images.pull_secrets]
