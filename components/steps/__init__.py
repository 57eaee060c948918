"""Programs that run as text under `python3 -`: standard library only.

The texts are composed from these files, in this order; what comes first is used by what follows.
"""

_READING = ("decide/failures.py", "decide/reading.py")
_JUDGING = (
    "decide/pod_health.py",
    "decide/pool_health.py",
    "decide/rollout_health.py",
    "decide/operator_health.py",
    "decide/plugin_health.py",
    "decide/share_health.py",
    "decide/cluster_health.py",
)
_PROVING = ("decide/placement_health.py", "decide/pool_proof.py", "decide/job_health.py", "decide/proof_health.py")
_CLAIMING = ("decide/claim_health.py",)
_WAITING = ("components/steps/kubectl.py", "components/steps/waiting.py")

SOURCES = {
    "census": tuple(f"components/steps/{one}.py" for one in ("find_node", "cordon", "census")),
    "drain": tuple(f"components/steps/{one}.py" for one in ("find_node", "cordon", "drain")),
    "uncordon": ("components/steps/cordon.py", "components/steps/uncordon.py"),
    "guard": ("components/steps/guard.py",),
    "look": (
        *_READING,
        *(f"components/steps/{one}.py" for one in ("kubectl", "runtimes", "watchers", "claimants", "look")),
    ),
    "look_claims": (
        *_READING,
        *(
            f"components/steps/{one}.py"
            for one in ("kubectl", "runtimes", "watchers", "claimants", "look", "claim_look")
        ),
    ),
    "login": (*_READING, "components/steps/kubectl.py", "components/steps/login.py"),
    "match": (*_READING, "components/steps/kubectl.py", "components/steps/match.py"),
    "ready": (*_READING, *_JUDGING, "decide/ready_health.py", *_WAITING, "components/steps/ready.py"),
    "divided": (*_READING, *_JUDGING, "decide/mig_health.py", *_WAITING, "components/steps/divided.py"),
    "nccl": (
        *_READING,
        *(f"decide/{one}.py" for one in ("pod_health", "pool_health")),
        *_PROVING[:-1],
        "decide/nccl_health.py",
        *_WAITING,
        "components/steps/nccl.py",
    ),
    "offered": (*_READING, *_JUDGING, *_CLAIMING, "decide/ready_health.py", *_WAITING, "components/steps/offered.py"),
    "claimed": (
        *(*_READING, *_JUDGING, *_PROVING, *_CLAIMING, *_WAITING),
        *("components/steps/logs.py", "components/steps/claimed.py"),
    ),
    "gate": (*_READING, *_JUDGING, *_PROVING, *_WAITING, "components/steps/logs.py", "components/steps/gate.py"),
}

REACHED = ("look", "look_claims", "offered", "claimed")
"""Of their texts only what `main` leads to: they carry judgements about operator and plugin, and call few of them."""
SHORT = ("census", "drain", "uncordon")
"""Their texts stand twice in a state, two of them for each host that goes down: they have no letter too many. A hook in
the program explains what kubectl says."""
