"""What kubectl says when pods stay, as kubectl 1.35 of a real cluster said it, and what is made of that."""

import pytest

from decide import host_drain

HELD = """\
error when evicting pods/"web-6k2x2" -n "default" (will retry after 5s): Cannot evict pod as it would violate the \
pod's disruption budget.
There are pending pods in node "gpu-1" when an error occurred: error when evicting pods/"web-6k2x2" -n "default": \
global timeout reached: 20s
pod/web-6k2x2
error: unable to drain node "gpu-1" due to error: error when evicting pods/"web-6k2x2" -n "default": global timeout \
reached: 20s, continuing command...
There are pending nodes to be drained:
 gpu-1
default   web     1     N/A   0     33s
default   other   1     N/A   1     33s
else      web     1     N/A   0     33s
"""
SCRATCH = """\
error: unable to drain node "gpu-1" due to error: cannot delete Pods with local storage (use --delete-emptydir-data to \
override): default/scr-h9mxp, continuing command...
There are pending nodes to be drained:
 gpu-1
cannot delete Pods with local storage (use --delete-emptydir-data to override): default/scr-h9mxp
No resources found
"""
BARE = """\
error: unable to drain node "gpu-1" due to error: cannot delete cannot delete Pods that declare no controller (use \
--force to override): default/bare, continuing command...
There are pending nodes to be drained:
 gpu-1
cannot delete cannot delete Pods that declare no controller (use --force to override): default/bare
No resources found
"""
BOTH = (
    'error: unable to drain node "gpu-1" due to error: [cannot delete cannot delete Pods that declare no controller ('
    "use --force to override): default/bare, cannot delete Pods with local storage (use --delete-emptydir-data to "
    "override): default/scr-1, default/scr-2], continuing command..."
)
SLOW = """\
error: unable to drain node "gpu-1" due to error: error when waiting for pod "slow-65tnq" in namespace "default" to \
terminate: context deadline exceeded, continuing command...
There are pending nodes to be drained:
 gpu-1
No resources found
"""
NOBODY = "Error in configuration: context was not found for specified context: nope\n"
FILES = "has files in an emptyDir, which go with it: bareMetal.drain.emptyDir: delete"
ALONE = "has no controller, so nobody makes it again: delete it by hand"


@pytest.mark.parametrize(
    ("said", "id", "words"),
    [
        (HELD, "DRN-1", "PodDisruptionBudget default/web allows none of default/web-6k2x2 to be evicted in time"),
        (SCRATCH, "DRN-2", f"default/scr-h9mxp ({FILES})"),
        (BARE, "DRN-2", f"default/bare ({ALONE})"),
        (BOTH, "DRN-2", f"default/bare ({ALONE}); default/scr-1, default/scr-2 ({FILES})"),
        (SLOW, "DRN-3", "default/slow-65tnq did not end in time"),
        (NOBODY, "DRN-4", NOBODY.strip()),
        ("", "DRN-4", "no reason given"),
    ],
)
def test_what_kept_the_pods_is_said_with_their_names(said: str, id: str, words: str) -> None:
    found = host_drain.explained("rtx", "drain", said)
    lead = "rtx: nothing was done to it, because its node could not be drained: "
    assert (found.id, found.problem) == (id, lead + words)


@pytest.mark.parametrize(
    ("driver", "goes"),
    [
        ({"reboot": True, "boot_id": "AB-CD"}, True),
        ({"reboot": True, "boot_id": "of-before"}, False),
        ({"reboot": False, "boot_id": "AB-CD"}, False),
        ({}, False),
    ],
)
def test_a_driver_step_is_believed_about_the_boot_that_it_ran_in(driver: dict[str, object], goes: bool) -> None:
    assert bool(host_drain.surprise(driver, host_drain.ids_of({"boot_id": "ab-cd"}, ""))) is goes
