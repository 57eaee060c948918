"""What a service requires to be started before it, by a drop-in: units of kind oneshot, whose programs really run."""

from __future__ import annotations

import os

from lab.host.standins.box import Box

UNITS = "/etc/systemd/system"


def of(box: Box, name: str) -> list[str]:
    """The units that it requires."""
    said = [box.read(file) or "" for file in box.find(f"{UNITS}/{name}.service.d/*.conf")]
    lines = [line.partition("=")[2] for text in said for line in text.splitlines() if line.startswith("Requires=")]
    return [one.removesuffix(".service") for line in lines for one in line.split()]


def meet(box: Box, name: str) -> bool:
    """Runs them; whether all of them ended well."""
    return all(_ends_well(box, one) for one in of(box, name))


def _ends_well(box: Box, unit: str) -> bool:
    import subprocess

    lines = (box.read(f"{UNITS}/{unit}.service") or "").splitlines()
    command = next((line.partition("=")[2].split() for line in lines if line.startswith("ExecStart=")), None)
    if command is None or command[0] != "/bin/sh" or "Type=oneshot" not in lines:
        return False
    folders = [f"{box.folder}/bin", f"{box.root}/usr/bin", f"{box.root}/usr/sbin"]
    own = {"PATH": os.pathsep.join(folders), "GPU_READY_ROOT": box.root, "GPU_READY_BOOTING": "yes"}
    # Whoever steps through a script steps through this one too.
    done = subprocess.run(
        ["sh", box.path(command[1])], env={**own, **_stepping()}, cwd=box.root, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    with open(f"{box.folder}/journal.log", "a", encoding="utf-8") as journal:
        journal.write(f"{unit}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.returncode == 0


def _stepping() -> dict[str, str]:
    return {key: os.environ[key] for key in ("PATH", "GPU_READY_STEP", "GPU_READY_STEP_ANSWER")
            if "GPU_READY_STEP" in os.environ}  # fmt: skip
