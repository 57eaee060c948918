"""The steps of a host, one after the other, as the program composes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from decide import host_plan
from host import facts, script
from lab.host.machine import LOST, Machine
from lab.providers.transport import Finished, Script

STEPS = ("tools", "driver", "reboot", "toolkit", "runtime", "check")
FOLDER = script.folder_of("a/b/rtx")
TAKEN_BACK = ("runtime", "toolkit", "driver", "tools")
WISH = {
    "name": "rtx", "driver": {"source": "auto"}, "toolkit": {"version": "1.20.0"},
    "reboot": "ifNeeded", "runtime": "auto",
}  # fmt: skip


class Chain:
    """A host to which the tools were sent, as it is made ready: remembers what each step was told, as a state does."""

    def __init__(self, machine: Machine, wish: Mapping[str, Any] = WISH) -> None:
        self.machine, self.wish = machine, wish
        self.texts: dict[str, str] = {}
        self.answers: dict[str, dict[str, Any]] = {}
        assert machine.receive(f"{FOLDER}/bundle", script.bundle().packed) == ""

    def do(self, *steps: str) -> None:
        """Some steps, each once more if it was done before."""
        for step in steps:
            self.texts[step] = self.text(step)
            self.answers[step] = self.patiently(step)

    def up(self) -> None:
        """All steps; what fails is an error with all that the step said."""
        self.do(*STEPS)

    def down(self) -> None:
        """Takes back what can be taken back, in the order of a destroy."""
        for step in TAKEN_BACK:
            ended = self.run(step, "remove")
            assert ended.ending == "", f"{step}: {ended}"

    def patiently(self, step: str) -> dict[str, Any]:
        """A step until it is through: what says that it is not yet, or loses the connection, is tried again."""
        for _try in range(60):
            if self.machine.door() == "up":
                ended = self.run(step)
                if ended.ending not in ("exit status 75", LOST):
                    assert ended.ending == "", f"{step}: {ended.ending}\n{ended.mixed.decode()}"
                    said: dict[str, Any] = json.loads(ended.stdout)
                    return said
            self.machine.pass_time(5)
        raise AssertionError(f"{step} was never ready")

    def run(self, step: str, verb: str = "apply") -> Finished:
        """One try."""
        return self.machine.run(Script(f"sh -s {verb}", stdin=self.texts[step]), self.machine.user)

    def text(self, step: str) -> str:
        """The text of a step, from the answers of those before."""
        password = self.machine.state["password"] if self.sudo == "password" else None
        values = self._values(step)
        if step == "tools":
            return script.tools_text(values, FOLDER, self.sudo, password)
        seen = self.answers["tools"]
        values |= {"GR_CLAIM": seen["claim"]} if "claim" in seen else {"GR_MACHINE_ID": seen["machine_id"]}
        return script.step_text(step, values, script.bundle().hash, self.sudo, password)

    @property
    def sudo(self) -> str:
        """How the one who logs in becomes root."""
        return "root" if self.machine.user == "root" else str(self.machine.state["sudo"])

    def _values(self, step: str) -> dict[str, Any]:
        if step == "tools":
            return {"GR_HOST": "a/b/rtx", "GR_WISH": "wish", **host_plan.asked(self.wish)}
        if step in host_plan.STEPS:
            planned = self._plan()[step]
            return {**planned, **self._needs_reboot()} if step == "reboot" else planned
        made = self.answers["runtime"]
        return {"GR_CARDS": self.answers["reboot"]["cards"], "GR_RUNTIME": f"{made['runtime']} {made['version']}"}

    def _plan(self) -> dict[str, dict[str, Any]]:
        found = facts.read(self.answers["tools"])
        assert isinstance(found, facts.HostFacts), found
        plan = host_plan.plan(found, self.wish)
        return plan.values if isinstance(plan, host_plan.Plan) else host_plan.refusal_values(plan)

    def _needs_reboot(self) -> dict[str, Any]:
        keys = {"GR_REBOOT": "reboot", "GR_BOOT_ID": "boot_id", "GR_DRIVER": "driver"}
        return {name: self.answers["driver"].get(key, "") for name, key in keys.items()}
