"""`sudo`: with and without a password, with the environment and the words of the real one."""

from __future__ import annotations

import os

from lab.host.standins.box import Box, fail, warn

_KEPT = ("TERM", "PATH", "LANG", "LC_ALL", "DISPLAY")
_WITH_VALUE = {"-p", "-u", "-g", "-C", "-h", "-T", "--prompt", "--user"}


def sudo(box: Box, args: list[str]) -> int:
    """Becomes root, if it may, and turns into the command."""
    flags, command = _split(args)
    how = box.state["sudo"]
    if not box.is_root and how != "passwordless":
        _ask(box, flags, how)
    if "v" in flags or ("k" in flags and not command):
        return 0
    if not command:
        fail(1, "usage: sudo -h | -K | -k | -V")
    if "E" in flags and not box.is_root:
        fail(1, "sudo: sorry, you are not allowed to preserve the environment")
    kept = {key: value for key, value in os.environ.items() if key in _KEPT or key.startswith("GPU_READY_")}
    home = {"HOME": "/root", "LOGNAME": "root", "USER": "root", "SUDO_USER": box.user, "GPU_READY_USER": "root"}
    try:
        os.execvpe(command[0], command, {**kept, **home})
    except OSError:
        fail(1, f"sudo: {command[0]}: command not found")


def _split(args: list[str]) -> tuple[set[str], list[str]]:
    """Single letters of the options, and the command."""
    flags: set[str] = set()
    rest = list(args)
    while rest and rest[0].startswith("-"):
        word = rest.pop(0)
        if word == "--":
            break
        if word in _WITH_VALUE:
            rest = rest[1:]
            continue
        flags |= {"n"} if word == "--non-interactive" else {"S"} if word == "--stdin" else set(word.lstrip("-"))
    return flags, rest


def _ask(box: Box, flags: set[str], how: str) -> None:
    if "n" in flags:
        fail(1, "sudo: a password is required")
    if "S" not in flags:
        fail(
            1,
            "sudo: a terminal is required to read the password; either use the -S option to read from standard input "
            "or configure an askpass helper",
            "sudo: a password is required",
        )
    wrong = 0
    while wrong < 3:
        line = _line()
        if line is None:
            fail(1, "", "sudo: no password was provided", _attempts(wrong) if wrong else "sudo: a password is required")
        if line == box.state["password"]:
            break
        wrong += 1
        if wrong < 3:
            warn("Sorry, try again.")
    else:
        fail(1, _attempts(wrong))
    if how == "none":
        fail(1, f"{box.user} is not in the sudoers file.")


def _attempts(wrong: int) -> str:
    return f"sudo: {wrong} incorrect password attempt{'s' * (wrong > 1)}"


def _line() -> str | None:
    """One line of stdin and not a byte more: what follows belongs to the command."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            return line.decode(errors="replace") if line else None
        line += byte
    return line[:-1].decode(errors="replace")
