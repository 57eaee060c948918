"""What Helm's words mean when it goes on from nothing that is there: id, cause and next step."""

from decide.failures import Failure, given_away

HELM_FAILURES: tuple[Failure, ...] = (
    Failure(
        "OP-22", "helm", "an install or upgrade of this release was cut off, and Helm goes on from there for nobody",
        "if nobody is at it just now: kubectl -n NAMESPACE delete secret -l owner=helm,name=NAME,status!=deployed; "
        "pulumi refresh; then pulumi up, which takes over what was made",
        (r"cannot re-?use a name that is still in use", r"another operation \(install/upgrade/rollback\)"),
    ),
)  # fmt: skip


def explained(error: str, namespace: str, name: str) -> "list[str]":
    """As our steps say it; nothing for an error that nobody knows, whose own words then have to do."""
    found = given_away(error, HELM_FAILURES)
    if found is None:
        return []
    fix = found.fix.replace("NAMESPACE", namespace).replace("NAME", name)
    return [f"{found.id} {found.layer}: {namespace}/{name}: {found.cause}", f"fix: {fix}"]
