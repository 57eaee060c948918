"""What Google's words mean when a cluster or a pool cannot be made, changed or deleted: id, cause and next step."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from decide.failures import given_away


class GkeFailure(NamedTuple):
    """One known failure; `{project}`, `{location}` and `{cluster}` in its fix become those of the stack."""

    id: str
    layer: str
    cause: str
    fix: str
    signs: tuple[str, ...] = ()

    def lines(self, about: str = "", **known: str) -> list[str]:
        """As our steps say it: problem, then fix."""
        head = f"{self.id} {self.layer}: {about + ': ' if about else ''}{self.cause}"
        return [head, f"fix: {_filled(self.fix, known)}"]


def _filled(text: str, known: Mapping[str, str]) -> str:
    for key, value in known.items():
        text = text.replace(f"{{{key}}}", value)
    return text


# In the order in which a text is compared: what says more comes first.
GKE_FAILURES = tuple(
    GkeFailure(*row)
    for row in (
        ("GKE-20", "cluster", "this is an Autopilot cluster: it makes GPU nodes itself, and takes no pools of ours",
         "target: cluster, with cluster.nodeSelector: {cloud.google.com/gke-accelerator: ...} and gpu.operator: "
         "external; or a Standard cluster: gke.cluster: {create: true}"),
        ("GKE-21", "cloud", "the Kubernetes Engine API is off in this project",
         "gcloud services enable container.googleapis.com --project {project}, wait a minute, then pulumi up again",
         (r"has not been used in project", r"SERVICE_DISABLED", r"accessNotConfigured")),
        ("GKE-22", "cloud", "no machine of this type is in stock in these zones just now",
         "more zones (gke.pools: [{zones: ...}]), capacity: spot or flexStart, or another machineType; then pulumi up "
         "again: the pool is in the state and is tried again",
         (r"ZONE_RESOURCE_POOL_EXHAUSTED", r"GCE_STOCKOUT", r"does not have enough resources available")),
        ("GKE-23", "cloud", "a quota of the project is used up, or zero as in new projects",
         "https://console.cloud.google.com/iam-admin/quotas?project={project} : ask for the metric named above, and "
         "for GPUS_ALL_REGIONS, which is often 0 and not always named; then pulumi up again",
         (r"Insufficient (regional )?quota", r"Quota '\S+' exceeded", r"quota exceeded", r"quotaExceeded")),
        ("GKE-24", "cloud", "this account may not do that",
         "gcloud projects add-iam-policy-binding {project} --member user:YOU --role roles/container.admin (and "
         "roles/iam.serviceAccountUser on the nodes' service account)",
         (r"Error 403: Required ", r"PERMISSION_DENIED", r"does not have permission", r"serviceAccounts\.actAs")),
        ("GKE-25", "cloud", "there is no such cluster, network or service account in this project and place",
         "gcloud container clusters list --project {project} shows what is there; gke.cluster, gke.location and "
         "gke.project have to fit",
         (r"Error 404", r"notFound")),
        ("GKE-26", "cloud", "something of that name is there already, and is not this stack's",
         "choose another name, or take it over: pulumi import",
         (r"Error 409: Already exists", r"alreadyExists")),
        ("GKE-27", "cloud", "machines came, and did not join the cluster",
         "look at a machine's serial console; private nodes need Cloud NAT, the nodes' service account needs "
         "roles/container.defaultNodeServiceAccount",
         (r"nodes out of \d+ have registered", r"failed to register", r"Nodes failing to start")),
        ("GKE-28", "cloud", "Google needed longer than there was time",
         "pulumi up again: it goes on from what is there (pulumi refresh first if it says that it exists)",
         (r"timeout while waiting for state", r"context deadline exceeded")),
        ("GKE-29", "cloud", "the cluster is protected against deletion",
         "gke.allowReplace: true, pulumi up, then pulumi destroy", (r"deletion_protection is set to true",)),
        ("GKE-30", "cloud", "another operation runs on the cluster",
         "wait until it ends (gcloud container operations list --location {location}), then pulumi up again",
         (r"incompatible operation", r"has running operations", r"FAILED_PRECONDITION")),
        ("GKE-31", "cloud", "no credentials for Google Cloud were found, or they have run out",
         "gcloud auth application-default login; in CI: Workload Identity Federation (docs/ci/README.md)",
         (r"could not find default credentials", r"invalid_grant", r"Error 401")),
        ("GKE-32", "cloud", "pools, and a cluster of ours, are protected: a change that replaces or deletes one is "
         "refused, and the `protect` that the refusal speaks of is gke.allowReplace",
         "take the change back; or allow it: gke.allowReplace: true, pulumi up, and then the change or pulumi destroy"),
    )
)  # fmt: skip
RULES_OF_POOLS = (
    (
        "GKE-1",
        "there is no such machine type, or it comes with a later release",
        "the machine types: docs/parameters.md",
    ),
    ("GKE-2", "a machine type that takes no card", "a2, a3, a4, g2, or n1 with an accelerator"),
    ("GKE-3", "card and machine type do not fit", "leave accelerator and gpus out but for n1"),
    (
        "GKE-4",
        "a zone that is none, is not in the cluster's region, or has not been seen with that card",
        "correct zones",
    ),
    ("GKE-5", "a size of GPU partitions that the card does not have", "a size that is named in the refusal"),
    ("GKE-6", "MIG or sharing by GKE beside the operator's plugin", "gpu.driver: platform"),
    ("GKE-7", "a way of buying that excludes another setting", "as the refusal says"),
    ("GKE-8", "numbers or names of pools that cannot be", "as the refusal says"),
    ("GKE-9", "an image, driver version or disk that the machine does not take", "as the refusal says"),
    ("GKE-10", "a label or taint that GKE or this program sets itself", "leave it out"),
)
"""Refused before anything is made, by `decide.gke`."""
BY_ID = {one.id: one for one in GKE_FAILURES}


def recognize(text: str) -> GkeFailure | None:
    """The failure that an error of the provider gives away."""
    return given_away(text, GKE_FAILURES)


def explained(text: str, gke: Mapping[str, Any]) -> Iterator[str]:
    """The next step; nothing for an error that nobody knows, whose own words then have to do."""
    found = recognize(text)
    if found:
        known = {"project": gke["project"], "location": gke["location"], "cluster": gke["cluster"]["name"]}
        yield "\n".join(found.lines(**known))
