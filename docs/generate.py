"""Writes what is generated: `Pulumi.yaml`, `docs/parameters.md`, `docs/troubleshooting.md`. `--check` only compares."""

import dataclasses
import json
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from decide.alerts import ALERTS, Alert
from decide.aws_failures import FAILURES as OF_AWS
from decide.gke_failures import GKE_FAILURES, RULES_OF_POOLS
from decide.helm_failures import HELM_FAILURES
from decide.host_failures import ALL
from decide.user_values import OWNED
from settings import SECRETS
from settings.kinds import Choice, ListOf, Section, camel
from settings.model import Config

ROOT = Path(__file__).resolve().parent.parent
AGAIN = "make docs"

PROJECT = f"""\
# Generated from settings/model.py: {AGAIN}
name: gpu-ready
description: Makes a Kubernetes cluster GPU-ready and proves it.
runtime:
  name: python
  options:
    toolchain: pip
    virtualenv: .venv
stackConfigDir: stacks
config:
"""

HEAD = f"""\
# Parameters

Generated from `settings/model.py`; do not edit: `{AGAIN}`

The keys of the config namespace `gpu-ready`, as they stand in `stacks/Pulumi.<stack>.yaml`. A misspelt key, a wrong
type or settings that contradict each other stop `preview` and `up` before anything is made; every fault is listed at
once, with a right example.
"""

TABLE = "| key | type | default | what it is, and an example |\n|---|---|---|---|\n"

DECIDED = """
## Values of the chart that follow from other settings

gpu-ready sets these itself, so that each thing has one owner; under `gpu.operator.values` they are refused.

| value | instead |
|---|---|
"""

TAIL = """
## Secrets

{secrets}: only ever encrypted (`pulumi config set --secret gpu-ready:{first}`),
refused in clear. Target `bareMetal` reads `sshPrivateKey` for ssh, which asks the ssh-agent without it, and
`sshPassword` for ssh and for a sudo that wants one; `joinScript` is run by the instances that it
makes, at their first boot. Nothing in this release reads the others.
"""


TROUBLES = f"""\
# Troubleshooting

Generated from `decide/*failures.py`; do not edit: `{AGAIN}`

A failed `up` ends with the id of the first broken layer, the evidence and the fix. Ids are never given to something
else. When a step fails, the real Pulumi CLI may print a Python traceback that ends in `KeyboardInterrupt` below the
error: noise of the engine, not a fault of the program. `python3: not found` has no id: our steps cannot even begin
before Python 3.8 or newer is on PATH where `pulumi` runs.

| id | layer | cause | fix |
|---|---|---|---|
"""


RUNBOOK = """
## Alerts

Of `monitoring.alerts`. Each links to its paragraph here. Where a threshold is an own estimate it says so: change it
by a rule of your own, and silence ours in Alertmanager.
"""


def troubles() -> str:
    """The text of docs/troubleshooting.md."""
    known: list[Any] = [*ALL, *HELM_FAILURES, *GKE_FAILURES, *OF_AWS]
    rows = [(one.id, one.layer, one.cause, one.fix) for one in known]
    rows += [(id, "settings", cause, fix) for id, cause, fix in RULES_OF_POOLS]
    rows.sort(key=lambda row: (row[0].split("-")[0], int(row[0].split("-")[1])))
    return TROUBLES + "".join(_cells(*row) for row in rows) + RUNBOOK + "".join(_runbook(one) for one in ALERTS)


def _runbook(alert: Alert) -> str:
    """A section per alert: its heading is the anchor that the alert links to."""
    said = re.sub(r"{{ \$(?:labels\.)?(\w+)[^}]*}}", r"*\1*", alert.summary.format(node="node"))
    fires = f"`{alert.expr.format(node='node')}`" + ("" if alert.lasts == "0m" else f", for {alert.lasts}")
    rows = (f"Fires: {fires}", f"Threshold: {alert.why}.", f"What to do: {alert.fix}.")
    return f"\n### {alert.name}\n\n{alert.severity.capitalize()}: {said}.\n\n" + "".join(f"- {one}\n" for one in rows)


def _cells(*texts: str) -> str:
    """A row of a table; a bar inside a text would end its cell."""
    return "| " + " | ".join(text.replace("|", r"\|") for text in texts) + " |\n"


def project() -> str:
    """The text of Pulumi.yaml. A key without default is demanded of every stack, so only `target` has none."""
    parts = [PROJECT]
    for one in dataclasses.fields(Config):
        parts.append(f"  {camel(one.name)}:\n    type: {one.metadata['kind'].type}\n")
        parts.append(f"    description: {json.dumps(one.metadata['about'].replace('`', ''))}\n")
        parts.append("    default: {}\n" if one.metadata["kind"].type == "object" else "")
    return "".join(parts)


def parameters() -> str:
    """The text of docs/parameters.md."""
    decided = "".join(_cells(f"`{path}`", instead) for path, instead in OWNED.items())
    tail = TAIL.format(secrets=_listed(SECRETS), first=SECRETS[0])
    return "".join([HEAD, *_sections("gpu-ready", "", Config), DECIDED, decided, tail])


def _listed(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _sections(title: str, about: str, shape: type) -> Iterator[str]:
    """A table for this section, then one for each section in it."""
    yield f"\n## `{title}`\n\n" + (f"{about}\n\n" if about else "") + TABLE
    members = dataclasses.fields(shape)
    yield from (_row(one) for one in members)
    for one in members:
        inner, suffix = _inner(one.metadata["kind"])
        if inner:
            path = camel(one.name) if shape is Config else f"{title}.{camel(one.name)}"
            yield from _sections(path + suffix, (inner.__doc__ or "").strip(), inner)


def _inner(kind: Any) -> tuple[type | None, str]:
    if isinstance(kind, ListOf):
        inner, _ = _inner(kind.kind)
        return inner, "[]"
    return (kind.shape, "") if isinstance(kind, Section) else (None, "")


def _row(one: "dataclasses.Field[Any]") -> str:
    kind, example = one.metadata["kind"], one.metadata["example"]
    about = one.metadata["about"] + _words(kind, one.metadata["about"])
    about = about if example.endswith(f": {one.default}") else f"{about} `{example}`"
    type_ = f"{kind.type} or string" if getattr(kind, "short", "") else kind.type
    return _cells(f"`{camel(one.name)}`", type_, _default(one), about)


def _words(kind: Any, about: str) -> str:
    """The words that may stand there, where the text does not say each of them."""
    options = kind.options if isinstance(kind, Choice) else ()
    told = all(re.search(rf"(?<![\w.-]){re.escape(word)}(?![\w-])", about) for word in options)
    return "" if told else f" One of {', '.join(f'`{word}`' for word in options)}."


def _default(one: "dataclasses.Field[Any]") -> str:
    if one.metadata["default"]:
        return f"`{one.metadata['default']}`"
    if one.default_factory is not dataclasses.MISSING or one.default in (None, ()):
        return "none"
    if one.default is dataclasses.MISSING:
        return "**required**"
    return f"`{str(one.default).lower() if isinstance(one.default, bool) else one.default}`"


def main(arguments: list[str]) -> int:
    """Writes the files, or says which of them are stale."""
    docs = ROOT / "docs"
    texts = {
        ROOT / "Pulumi.yaml": project(),
        docs / "parameters.md": parameters(),
        docs / "troubleshooting.md": troubles(),
    }
    stale = [path for path, text in texts.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if "--check" in arguments:
        sys.stdout.writelines(f"{path.name} is stale: {AGAIN}\n" for path in stale)
        return 1 if stale else 0
    for path in stale:
        path.write_text(texts[path], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
