"""Why a host was not reached, or not to the end: what the transport says, in the words of the catalogue."""

import re

from decide.failures import given_away
from decide.host_failures import HOST_FAILURES, Refusal, refusal

NOT_YET = "Process exited with status 75"
OURS = re.compile(r"^(?:[A-Z]{2,4}-\d+ [\w -]+: |fix: )", re.MULTILINE)
SAID = re.compile(r"^gpu-ready: not yet: (?:([A-Z]{2,4}-\d+) )?(.*)", re.MULTILINE)
LONGEST = 300
GIVE_UP = "put it back into the list with state: abandoned, pulumi up, then take it out again"
UNLISTED = {
    "HST-82": f"switch it on, and run pulumi up again; if it will not come back: {GIVE_UP}",
    "HST-90": f"look whether the host is up, then run pulumi up again; if it will not come back: {GIVE_UP}",
}
"""What to do about a host that has left the list: no setting of it has an effect any more."""


def explained(host: str, error: str, listed: bool = True) -> "Refusal | None":
    """The refusal for an error of the transport; none for what a script has said itself, or what nobody knows."""
    if OURS.search(error):
        return None
    known = given_away(error, (one for one in HOST_FAILURES if one.layer == "access"))
    if known is None:
        return None
    fix = known.fix if listed else UNLISTED.get(known.id, f"put it back into the list, and {known.fix}")
    return refusal(known.id, f"{host}: {known.cause} ({first_line(error)})", fix)


def too_late(host: str, seconds: int, errors: "list[str]", listed: bool = True) -> Refusal:
    """The end of a wait: what the host said last, and whether ssh still answers. The newest error comes first."""
    said = [found for found in map(SAID.search, errors) if found]
    id, last = (said[0][1] or "HST-58", said[0][2]) if said else ("HST-58", "")
    waited = f"{host}: after {seconds} s still not"
    if NOT_YET in errors[0]:
        return refusal(id, f"{waited}: ssh answers, and the host says: {last or first_line(errors[0])}")
    before = f"; its last word was: {last}" if last else ""
    fix = "look at its console and switch it on, then run pulumi up again; "
    away = "away for longer: state: offline; for good: state: abandoned" if listed else f"for good: {GIVE_UP}"
    problem = f"{waited} back: ssh does not answer ({first_line(errors[0])}){before}"
    return refusal("HST-58", problem, fix + away)


def first_line(error: str) -> str:
    """What the transport says, without the script that it repeats."""
    lines = [line for line in error.splitlines() if line.strip()]
    return re.sub(r": running \".*", "", lines[0])[:LONGEST] if lines else "no reason given"
