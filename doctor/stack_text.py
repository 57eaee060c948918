"""The text of a stack file for hosts that were looked at: complete, commented, and the same for the same hosts."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from decide import defaults, host_driver
from decide.host_system import SYSTEMS
from decide.host_wish import HostWish
from doctor import report
from doctor.host_keys import Key
from doctor.look import Seen
from doctor.words import plain
from host.facts import HostFacts
from settings import SECRETS

WIDTH = 116
LONGEST = 1000
MADE_UP_CONTEXT = "my-cluster"
PULUMIS = ("secretsprovider", "encryptedkey", "encryptionsalt")
"""Top-level keys without which nobody can read the secrets of a stack any more."""
# What YAML reads as a text whether it is quoted or not.
BARE = re.compile(r"(?!(?i:true|false|yes|no|on|off|null|y|n)$)[A-Za-z/][A-Za-z0-9_./@-]*|([0-9]{1,3}\.){3}[0-9]{1,3}")
SAFE = re.compile(r"[ !#-\[\]-~]")
KEY = re.compile(r"(ssh|ecdsa)-[a-z0-9-]+ [A-Za-z0-9+/]+=*")

HEAD = (
    "Written by `.venv/bin/python -m doctor init {name}`; nothing writes it again unasked. All: docs/parameters.md",
    "What up would do on each host, without doing it: .venv/bin/python -m doctor plan -s {name}",
)
CONTEXT = (
    "The cluster whose nodes the hosts are: one of `kubectl config get-contexts`, never by accident the current one."
)
TO_CHANGE = "CHANGE: it was not said when this was written (--context)."
KEPT_AT = {
    "k3s": "k3s keeps its own, with the context default, on its server, for root alone: /etc/rancher/k3s/k3s.yaml",
    "rke2": "RKE2 keeps its own, with the context default, on its server, for root alone: /etc/rancher/rke2/rke2.yaml",
    "k0s": "k0s tells it on its controller: sudo k0s kubeconfig admin",
}
"""Where the kubeconfig of such a cluster is to be had."""
TOLERATIONS = (
    "Taints of these nodes beside nvidia.com/gpu, which is always tolerated:",
    "  tolerations: [{key: dedicated, operator: Equal, value: gpu, effect: NoSchedule}]",
)
REBOOT = (
    "Consent to reboots. never: a host whose driver needs one is refused, with what to run by hand. ifNeeded: up may "
    "reboot it, which ends whatever runs there, and goes on when it is back with a new boot id. Each host may say it "
    "for itself."
)
REFUSALS = (
    "What up always refuses, before it changes anything on a host: another host key or machine than the one that was "
    "met here, a reboot without consent, packages that would push out others, a driver from a .run file."
)
AWAY = "A host that is away for now: state: offline. One that will not come back: state: abandoned; then take it out."
WAY_IN = (
    "To log in, the ssh-agent is asked, or this secret if there is one:",
    "  pulumi config set --secret gpu-ready:sshPrivateKey < FILE",
)
SUDO = {
    "passwordless": "sudo asks for nothing there.",
    "password": "sudo asks for the secret: pulumi config set --secret gpu-ready:sshPassword",
}
OPERATOR = (
    "install: we install NVIDIA's GPU operator, without driver and toolkit, which are on the hosts by then; where an "
    "operator or device plugin is found, up refuses (CFG-4). external: one is there already; nothing is installed, it "
    "is verified."
)
VERSION = "Pinned: a new release of gpu-ready never moves a running operator."
VALIDATION = "A Job per host runs nvidia-smi and a CUDA kernel; up succeeds only if it does."


def stack_text(name: str, context: str | None, seen: Sequence[Seen], kept: Mapping[str, Any] | None = None) -> str:
    """The whole file; `kept` is what Pulumi wrote into an older one."""
    parts = (
        _comment(0, *(line.format(name=name) for line in HEAD)),
        (f"{key}: {json.dumps(kept[key])}" for key in PULUMIS if kept and key in kept),
        ("config:", "  gpu-ready:target: bareMetal", ""),
        _secrets(kept or {}),
        _cluster(context, seen),
        _hosts(seen),
        _end(),
    )
    return "".join(f"{line}\n" for part in parts for line in part)


def _secrets(kept: Mapping[str, Any]) -> Iterator[str]:
    config = kept.get("config")
    for key in SECRETS:
        value = config.get(f"gpu-ready:{key}") if isinstance(config, Mapping) else None
        if isinstance(value, Mapping) and isinstance(value.get("secure"), str):
            yield f"  gpu-ready:{key}:"
            yield f"    secure: {json.dumps(value['secure'])}"
            yield ""


def _cluster(context: str | None, seen: Sequence[Seen]) -> Iterator[str]:
    yield "  gpu-ready:cluster:"
    yield from _comment(4, CONTEXT, *(() if context else (TO_CHANGE,)))
    kinds = {one.facts.runtime.kind for one in seen if one.facts} if not context else set()
    yield from _comment(4, *(KEPT_AT[kind] for kind in sorted(kinds & KEPT_AT.keys())))
    yield f"    context: {scalar(context or MADE_UP_CONTEXT)}"
    yield f"    kubeconfig: {defaults.KUBECONFIG}"
    yield from _comment(4, *TOLERATIONS)
    yield ""


def _hosts(seen: Sequence[Seen]) -> Iterator[str]:
    yield "  gpu-ready:bareMetal:"
    yield from _comment(4, REBOOT)
    yield "    reboot: never"
    yield f"    rebootTimeoutSeconds: {defaults.REBOOT_TIMEOUT_SECONDS}"
    yield from _comment(4, REFUSALS, AWAY, *WAY_IN)
    yield "    hosts:"
    for one in seen:
        yield from _host(one.host, one)
    yield ""


def _host(host: Mapping[str, Any], seen: Seen) -> Iterator[str]:
    assert seen.facts
    yield from _comment(6, *_about(seen.facts))
    yield f"      - name: {scalar(host['name'])}"
    yield f"        address: {scalar(host['address'])}"
    yield f"        port: {host['port']}"
    yield f"        user: {scalar(host['user'])}"
    if host["user"] != "root":
        yield from _comment(8, SUDO[host["sudo"]])
        yield f"        sudo: {host['sudo']}"
    yield from _comment(8, f"{Key(host['host_key']).fingerprint}, accepted when this was written.")
    yield f"        hostKey: {scalar(host['host_key'])}"
    yield "        state: present"
    yield from _driver(seen.facts)
    yield from _refused(seen)


def _about(facts: HostFacts) -> Iterator[str]:
    """The facts, in the words of `plan` without its columns."""
    for line in report.facts_lines(facts):
        yield re.sub(r"^\w+ +", "", line)


def _driver(facts: HostFacts) -> Iterator[str]:
    driver, why = driver_of(facts)
    yield from _comment(8, f"Chosen for this host: {why}")
    yield "        driver:"
    yield from (f"          {key}: {value}" for key, value in driver.items())


def driver_of(facts: HostFacts) -> tuple[dict[str, Any], str]:
    """The driver to ask for in so many words, so that no later default decides again; and why this one."""
    if facts.os not in SYSTEMS or not facts.cards:
        return {"source": "auto"}, "nothing can be chosen for this system yet, see below"
    wish = HostWish()
    why = next(text for text, _ in host_driver.lines(facts, wish))
    if host_driver.is_kept(facts, wish):
        return {"source": "keep"}, why
    choice = host_driver.chosen(facts, wish)
    return {"source": choice.source, "branch": choice.branch, "flavour": choice.flavour}, why


def _refused(seen: Seen) -> Iterator[str]:
    """Not broken into lines: the fix is there to be copied."""
    if seen.refusals:
        yield from _comment(8, "As this stands, up refuses the host:")
    yield from (f"        #   {plain(line, LONGEST)}" for one in seen.refusals for line in one.lines())


def _end() -> Iterator[str]:
    yield "  gpu-ready:gpu:"
    yield "    operator:"
    yield from _comment(6, OPERATOR)
    yield "      mode: install"
    yield from _comment(6, VERSION)
    yield f"      version: {defaults.OPERATOR_VERSION}"
    yield ""
    yield "  gpu-ready:validation:"
    yield from _comment(4, VALIDATION)
    yield "    enabled: true"
    yield f"    timeoutSeconds: {defaults.VALIDATION_TIMEOUT_SECONDS}"


def _comment(indent: int, *lines: str) -> Iterator[str]:
    """Foreign words may be in it: each line is made plain, so that none of them leaves the comment."""
    for line in lines:
        begin = "  " if line.startswith("  ") else ""
        for part in textwrap.wrap(plain(line, LONGEST), WIDTH - indent, break_long_words=False, break_on_hyphens=False):
            yield f"{' ' * indent}# {begin}{part}"


def scalar(text: str) -> str:
    """A text that YAML reads as this text, bare where that is the same."""
    if BARE.fullmatch(text) or KEY.fullmatch(text):
        return text
    return '"' + "".join(one if SAFE.fullmatch(one) else f"\\U{ord(one):08x}" for one in text) + '"'
