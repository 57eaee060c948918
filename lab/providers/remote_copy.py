"""`command:remote:CopyToRemote` in the rehearsal: a file that is sent when it changed, or goes elsewhere.

As the real one (1.2.1) does it: another connection alone is an update that sends nothing, and nobody takes back what
was sent.
"""

from __future__ import annotations

import uuid
from typing import Final

from lab.provider import CheckFailure, Context, Props
from lab.providers import command_inputs, remote_command
from lab.providers.remote_command import Remote
from lab.values import unwrap

COPY: Final = "command:remote:CopyToRemote"


def check(news: Props) -> tuple[Props, list[CheckFailure]]:
    """Refuses what the real one refuses, and misspelt keys."""
    return remote_command.check(news, command_inputs.COPY, "a copy")


def create(remote: Remote, ctx: Context, inputs: Props) -> tuple[str, Props]:
    """Sends it."""
    if ctx.preview:
        return "", inputs
    remote.copy(ctx, unwrap(inputs))
    return uuid.uuid4().hex[:16], inputs


def update(remote: Remote, ctx: Context, old: Props, new: Props) -> Props:
    """Sends it again, if that makes a difference."""
    before, after = unwrap(old), unwrap(new)
    if not ctx.preview and any(before[key] != after[key] for key in ("source", "remotePath")):
        remote.copy(ctx, after)
    return new
