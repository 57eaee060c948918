"""What is wrong between the values of an AWS node group, before anything is asked of AWS.

Each rule is given the wish and yields key, problem and what would be right. The same rules guard stack files and
users of other languages.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from decide import aws_types, defaults
from decide.aws_images import IMAGES, release_problem

Wish = Mapping[str, Any]


class Wrong(NamedTuple):
    """One thing that is wrong."""

    key: str
    problem: str
    fix: str


THEIRS = ("eks.amazonaws.com/", "kubernetes.io/", "k8s.io/", "nvidia.com/")
"""Beginnings of labels that others write."""
MOST_TYPES, MOST_TAINTS = 20, 50  # by the API of EKS


def faults(wish: Wish) -> list[Wrong]:
    """Everything that is wrong, in the order of the settings."""
    return [wrong for rule in RULES for wrong in rule(wish)]


def _types(wish: Wish) -> Iterator[Wrong]:
    names: list[str] = wish["instance_types"]
    example = "instanceTypes: [g5.xlarge]"
    if not names or len(names) > MOST_TYPES:
        yield Wrong("instance_types", f"from 1 to {MOST_TYPES} instance types belong here, got {len(names)}", example)
    for name in names:
        problem = aws_types.why_not(name)
        if problem:
            yield Wrong("instance_types", problem, example)
    mixed = aws_types.mixed(names)
    if mixed:
        yield Wrong("instance_types", f"one node group has cards of one kind and number, here are {mixed}", example)
    twice = sorted(name for name in set(names) if names.count(name) > 1)
    if twice:
        yield Wrong("instance_types", f"{', '.join(twice)} stands there more than once", example)


def _sizes(wish: Wish) -> Iterator[Wrong]:
    low, wanted, high = wish["min"], wish["desired"], wish["max"]
    if not low <= wanted <= high:
        problem = f"min {low}, desired {wanted} and max {high} are not in order"
        fits = {"desired": max(low, wanted), "max": max(low, wanted, high)}
        yield Wrong("desired", problem, ", ".join(f"{key}: {one}" for key, one in fits.items() if one != wish[key]))


def _image(wish: Wish) -> Iterator[Wrong]:
    image = IMAGES[wish["image"]]
    if image.ami_type is None and not wish.get("ami"):
        yield Wrong("ami", f"is missing: image {image.name} is one of your own choice", UBUNTU)
    if image.ami_type is not None and wish.get("ami"):
        yield Wrong("ami", f"has no effect on image {image.name}, which EKS chooses", "leave ami out; or image: ubuntu")
    problem = release_problem(image.name, wish.get("release"))
    if problem:
        yield Wrong("release", problem, "leave release out")
    if wish["store"] not in image.stores:
        problem = f"{wish['store']} is more than image {image.name} does with the disks of an instance"
        yield Wrong("store", problem, f"instanceStore: {image.stores[0]}")


UBUNTU = "ami: ami-0123456789abcdef0; the newest of your Kubernetes version: cloud-images.ubuntu.com/aws-eks"


def _capacity(wish: Wish) -> Iterator[Wrong]:
    kind, reserved = wish["capacity"], wish.get("reservation")
    if kind in ("capacityBlock", "reservation") and not reserved:
        yield Wrong("reservation", f"is missing with capacity {kind}", "reservation: cr-0123456789abcdef0")
    if kind in ("onDemand", "spot") and reserved:
        yield Wrong("reservation", f"has no effect with capacity {kind}", "capacity: reservation, or capacityBlock")
    if kind == "capacityBlock":
        yield from _block(wish)


def _block(wish: Wish) -> Iterator[Wrong]:
    names = [name for name in wish["instance_types"] if name in aws_types.TYPES]
    without = [name for name in names if not aws_types.TYPES[name].takes_blocks]
    if without:
        fix = "capacity: onDemand, spot or reservation; blocks are for p4d, p4de and p5"
        yield Wrong("capacity", f"no capacity blocks are sold for {', '.join(without)}", fix)
    if len(wish["instance_types"]) > 1:
        yield Wrong(
            "instance_types",
            "a capacity block is of one instance type",
            f"instanceTypes: [{wish['instance_types'][0]}]",
        )
    if len(wish.get("subnets") or ()) != 1:
        problem = "a capacity block lies in one zone: the one subnet of that zone belongs here"
        yield Wrong("subnets", problem, "subnets: [subnet-0123456789abcdef0]")


def _labels(wish: Wish) -> Iterator[Wrong]:
    for key in wish.get("labels") or {}:
        if any(key.startswith(one) or f".{one}" in key for one in THEIRS):
            yield Wrong("labels", f"{key} is not yours to write", 'labels: {team: "research"}')


def _taints(wish: Wish) -> Iterator[Wrong]:
    example = "taints: [{key: dedicated, value: gpu, effect: NoSchedule}]"
    keys = Counter((one["key"], one["effect"]) for one in wish.get("taints") or ())
    for (key, effect), times in keys.items():
        if times > 1:
            yield Wrong("taints", f"{key} with {effect} stands there more than once", example)
        if key == defaults.RESOURCE_NAME:
            yield Wrong("taints", f"{key} is there already; gpuTaint: false leaves it out", example)
    if len(wish.get("taints") or ()) >= MOST_TAINTS:
        yield Wrong("taints", f"EKS takes {MOST_TAINTS} in all", example)


RULES: tuple[Callable[[Wish], Iterator[Wrong]], ...] = (_types, _sizes, _image, _capacity, _labels, _taints)


def notes(wish: Wish) -> list[str]:
    """What is no fault and still worth a thought."""
    return [note for rule in (_region_note, _spot_note, _autoscaler_note) for note in rule(wish)]


def _region_note(wish: Wish) -> Iterator[str]:
    families = {aws_types.family(name) for name in wish["instance_types"]}
    if families == {"g5"} and wish["region"] not in aws_types.G5_ZONES:
        near = [one for one in aws_types.G5_ZONES if one.startswith(wish["region"].split("-")[0] + "-")]
        others = f"; near it: {', '.join(near)}" if near else ""
        yield f"nobody offered g5 in {wish['region']} in August 2026{others}"


def _spot_note(wish: Wish) -> Iterator[str]:
    if wish["capacity"] == "spot" and len(wish["instance_types"]) == 1:
        others = ", ".join(aws_types.like(wish["instance_types"][0])[:4])
        hint = f"; with as many of the same cards: {others}" if others else ""
        yield f"spot with one instance type is sold out and taken back more often than with several{hint}"


def _autoscaler_note(wish: Wish) -> Iterator[str]:
    if wish["max"] > wish["desired"] and not wish.get("autoscaler"):
        yield (
            f"nothing here starts more than {wish['desired']} of at most {wish['max']} nodes: that is the work of a "
            "cluster autoscaler (autoscaler: true where one runs)"
        )
