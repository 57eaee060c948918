"""The check of several cards together: what its pods run, on which nodes, and what the report says of it."""

import re
from collections.abc import Mapping
from typing import Any

NAME = "nccl"
LEAST = 2
"""Cards: one alone has nobody to talk to."""
SHARED_MEMORY = "2Gi"
"""Of /dev/shm, through which processes talk whose cards cannot; NCCL takes some 40 MB for each pair of them."""
LONGEST_SECONDS = 300
"""A framework is loaded in a minute, and the all-reduce itself takes one second; what takes longer hangs."""
SAID = re.compile(r"all-reduce over (\d+) cards: ([\d.]+) GB/s")
# A process per card, without torchrun, whose report of a failure buries what NCCL said.
SCRIPT = """\
import os, signal, sys, time
cards, seconds, said = int(os.environ["CARDS"]), int(os.environ["LIMIT"]), "/dev/termination-log"
children = []
def work(rank):
    import torch, torch.distributed as dist
    if torch.cuda.device_count() != cards:
        raise SystemExit(f"the pod was given {cards} cards, and torch sees {torch.cuda.device_count()}")
    torch.cuda.set_device(rank)
    dist.init_process_group("nccl", init_method="tcp://127.0.0.1:29500", rank=rank, world_size=cards)
    values = torch.ones(64 * 1024 * 1024, device="cuda")
    dist.all_reduce(values)
    if values.min().item() != cards or values.max().item() != cards:
        raise SystemExit(f"the all-reduce is wrong: {values.min().item()} in place of {cards}")
    values.zero_()
    torch.cuda.synchronize()
    began = time.monotonic()
    for _ in range(20):
        dist.all_reduce(values)
    torch.cuda.synchronize()
    speed = 20 * 2 * (cards - 1) / cards * values.numel() * 4 / (time.monotonic() - began) / 1e9
    if rank == 0:
        with open(said, "w") as file:
            print(f"all-reduce over {cards} cards: {speed:.1f} GB/s, torch {torch.__version__}", file=file)
    dist.barrier()
def one(rank):
    code = 0
    try:
        work(rank)
    except BaseException as error:
        code = 1
        print(f"card {rank}: {type(error).__name__}: {error}")
    sys.stdout.flush()
    os._exit(code)
def end(text):
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    open(said, "w").close()
    sys.exit(text)
signal.signal(signal.SIGALRM, lambda *_: end(f"the all-reduce over {cards} cards hangs: no end after {seconds} s"))
signal.alarm(seconds)
for rank in range(cards):
    children.append(os.fork() or one(rank))
while children:
    pid, status = os.wait()
    children.remove(pid)
    if status:
        signal.alarm(0)
        time.sleep(2)  # the others say what they know
        end(f"a process of {cards} ended with status {os.waitstatus_to_exitcode(status)}")
print(open(said).read(), end="")
"""


def limit(timeout_seconds: int) -> int:
    """Seconds after which the pod itself says that it hangs: before the gate has to."""
    return max(10, min(LONGEST_SECONDS, timeout_seconds // 2))


def proven(report: Mapping[str, Any], place: int) -> Mapping[str, Any]:
    """The node that the Job at this place was run on; empty where none was."""
    nodes = report.get("nodes") or []
    return nodes[place] if place < len(nodes) else {}


def told(report: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """The report with what each node's cards said together, or why they were not asked."""
    nodes = [_with(node, found.get(str(node["name"]))) for node in report.get("nodes") or ()]
    alone = [f"{one['name']}: no all-reduce was tried, it hands out one card" for one in nodes if NAME not in one]
    warnings = {"warnings": [*report.get("warnings", ()), *alone]} if nodes else {}
    return {**report, **({"nodes": nodes} if nodes else {}), **warnings}


def _with(node: Mapping[str, Any], said: str | None) -> dict[str, Any]:
    known = SAID.search(said or "")
    if not (said and known):
        return dict(node)
    check = {"name": NAME, "passed": True, "evidence": said}
    figures = {"cards": int(known[1]), "gb_per_s": float(known[2])}
    return {**node, "checks": [*node["checks"], check], NAME: figures}
