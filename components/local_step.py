"""Our own code inside the graph: the only user of `local.Command`.

A step is text under `python3 -`: no path, no module and no interpreter of one machine is in it, so that a
colleague with another checkout and another virtual environment sees no change.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
from pulumi_command import local

from components.outputs import resolved
from components.steps import REACHED, SHORT, SOURCES

ROOT = Path(__file__).resolve().parent.parent
OUR_IMPORT = re.compile(r"^from (?:decide|components)[\w.]* import (?:\([^)]*\)|[^\n(]*)[^\n]*\n", re.MULTILINE)
# The text stands twice in every state: what a function is for can be read in the file that it comes from.
EXPLANATION = re.compile(r'^ *(?:#[^\n]*|"""(?:[^"]|"(?!""))*""")\n', re.MULTILINE)
# Of a text that is to be short so can what type checkers are told, and an import that stands there already.
DEFINITION = re.compile(r"^ *def [^\n]*:\n", re.MULTILINE)
TYPES = re.compile(r": (?:Any|str|int|bool)(?=[,)])|(?<=\)) -> (?:Any|str|int|bool)(?=:\n)")
IMPORT = re.compile(r"^(?:import|from typing import) (\w+)\n+|  # noqa: [^\n]*", re.MULTILINE)
INDENTS = re.compile(r"^(?: {4})+|\n(?=\n)", re.MULTILINE)
FAILURE = re.compile(r'^    \("([A-Z]+-\d+)",.*?\),\n(?=    \("|\))', re.MULTILINE | re.DOTALL)
"""A row of the catalogue of failures."""
SIGNS = '(r"'
"""Begins in a row what gives the failure away in a text."""
COMMAND = "python3 -"
IDLE_INPUTS = ["create", "delete", "stdin"]
GRACE_SECONDS = 90  # before the engine's own limit the step speaks, with a reason
HEAD = """\
import json
import sys

if sys.version_info < (3, 8):
    sys.exit("python3 on PATH is too old for this step\\nfix: put Python 3.8 or newer first on PATH")
"""


def compose(step: str, params: Mapping[str, Any]) -> str:
    """The whole text of a step: its values first, so that a diff shows them, then the code they meet."""
    values = json.dumps(params, indent=1, sort_keys=True, ensure_ascii=True).replace("'", "\\u0027")
    code = "\n".join(lean(source) for source in needed([(ROOT / one).read_text("utf-8") for one in SOURCES[step]]))
    if step in REACHED:
        from components.lean_text import reached  # what a stack does not use, its start shall not pay for

        code = reached(code)
    head, code = leaner(code) if step in SHORT else (HEAD, code)
    return f"{head}\nPARAMS = json.loads(r'''{values}''')\n\n{code}\n\nsys.exit(main(PARAMS))\n"


def lean(source: str) -> str:
    """The same program in fewer letters: without what explains it, and with one blank for each level."""
    code = EXPLANATION.sub("", OUR_IMPORT.sub("", source)).strip() + "\n\n"
    return INDENTS.sub(lambda found: " " * (len(found[0]) // 4), code)


def leaner(code: str) -> tuple[str, str]:
    """All imports in one line, and what needs them without types; that Python is no older, a look has seen before."""
    imports = sorted({"json", "sys", *IMPORT.findall(code)} - {"", "Any"})
    rest = DEFINITION.sub(lambda found: TYPES.sub("", found[0]), IMPORT.sub("", code))
    return f"import {', '.join(imports)}\n", rest.strip()


def needed(sources: list[str]) -> list[str]:
    """Of the catalogue of failures what a step names, and what it can recognize in the words of others."""
    catalogue, *others = sources
    rest = "".join(others)
    recognizes = "recognize(" in rest

    def kept(row: re.Match[str]) -> str:
        return row[0] if f'"{row[1]}"' in rest or (recognizes and SIGNS in row[0]) else ""

    return [FAILURE.sub(kept, catalogue), *others]


def local_step(
    name: str,
    step: str,
    params: Mapping[str, Any],
    seconds: int,
    opts: pulumi.ResourceOptions,
    knows_before: bool = False,
) -> local.Command:
    """Runs a step when its values or its text change; one that `knows_before` is told what it printed then."""
    limit = f"{seconds}s"
    return local.Command(
        name,
        create=COMMAND,
        stdin=resolved(dict(params)).apply(lambda known: compose(step, known)),
        logging=local.Logging.STDERR,
        add_previous_output_in_env=knows_before,
        opts=pulumi.ResourceOptions.merge(
            opts, pulumi.ResourceOptions(custom_timeouts=pulumi.CustomTimeouts(create=limit, update=limit))
        ),
    )


def idle_step(
    name: str, step: str, told: pulumi.Output[Any], seconds: int, opts: pulumi.ResourceOptions, undo: str = ""
) -> local.Command:
    """A step that only some runs need: without values it has no text, does nothing, and keeps what it said before."""
    limit = f"{seconds}s"
    text: pulumi.Output[Any] = told.apply(lambda known: compose(step, known) if known else None)
    return local.Command(
        name,
        create=text.apply(lambda known: known and COMMAND),
        delete=text.apply(lambda known: known and f"{COMMAND} {undo}") if undo else None,
        stdin=text,
        logging=local.Logging.STDERR,
        opts=pulumi.ResourceOptions.merge(
            opts, pulumi.ResourceOptions(custom_timeouts=pulumi.CustomTimeouts(create=limit, update=limit))
        ),
    )


def reading_step(
    name: str, step: str, params: Mapping[str, Any], seconds: int, opts: pulumi.ResourceOptions
) -> local.Command:
    """Runs a step that gives up reading the cluster by itself, after so many seconds."""
    return local_step(name, step, {**params, "seconds": seconds}, seconds + GRACE_SECONDS, opts)


def guard_step(name: str, params: Mapping[str, Any], opts: pulumi.ResourceOptions) -> local.Command:
    """Refuses a change of `values` unless it is `allowed`, with the `refusal`; the first time it only notes them."""
    return local_step(name, "guard", params, GRACE_SECONDS, opts, knows_before=True)


def answer(step: local.Command) -> pulumi.Output[Any]:
    """What a step printed, parsed."""
    return step.stdout.apply(lambda text: json.loads(text) if text else {})
