"""A real SSH server before a simulated machine: whoever logs in and sends a script has it run there."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import asyncssh

from lab.host.machine import LOST
from lab.providers.transport import Script

if TYPE_CHECKING:
    from lab.host.machine import Machine


class Door:
    """Servers on loopback, one for each machine, as long as the `with` lasts."""

    def __init__(self, client_key: str, machines: dict[int, Machine], keys: dict[int, asyncssh.SSHKey]) -> None:
        self.client_key, self.machines, self.keys = client_key, machines, keys
        self.scripts: list[str] = []
        """Names of the machines that got a script, or were sent files."""
        self.acceptors: list[asyncssh.SSHAcceptor] = []
        self.loop = asyncio.new_event_loop()
        self.loop.set_default_executor(ThreadPoolExecutor(8))
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def __enter__(self) -> Door:
        self.thread.start()
        for port, machine in self.machines.items():
            asyncio.run_coroutine_threadsafe(self._listen(port, machine), self.loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()

    async def _close(self) -> None:
        for one in self.acceptors:
            one.close()
            await one.wait_closed()

    async def _listen(self, port: int, machine: Machine) -> None:
        self.acceptors.append(await asyncssh.listen(
            "127.0.0.1", port, server_host_keys=[self.keys[port]], encoding=None, reuse_address=True,
            authorized_client_keys=asyncssh.import_authorized_keys(self.client_key),
            server_factory=lambda: Guard(machine), process_factory=lambda one: self._serve(one, machine),
            sftp_factory=lambda one: self._take_files(one, machine),
        ))  # fmt: skip

    def _take_files(self, channel: Any, machine: Machine) -> asyncssh.SFTPServer:
        self.scripts.append(machine.name)
        return asyncssh.SFTPServer(channel, chroot=str(machine.home(machine.user)).encode())

    async def _serve(self, process: asyncssh.SSHServerProcess[bytes], machine: Machine) -> None:
        self.scripts.append(machine.name)
        stdin = (await process.stdin.read()).decode()
        script = Script(text=process.command or "", stdin=stdin)
        ended = await asyncio.get_running_loop().run_in_executor(None, machine.run, script)
        if ended.ending == LOST:
            process.channel.get_connection().abort()
            return
        process.stdout.write(ended.stdout)
        process.stderr.write(ended.stderr)
        word, _, status = ended.ending.rpartition(" ")
        process.exit(int(status)) if word == "exit status" else process.exit(1 if ended.ending else 0)


class Guard(asyncssh.SSHServer):
    """Nobody is let in while the machine is down."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def connection_made(self, conn: Any) -> None:
        """Before a word is said."""
        if self.machine.door() != "up":
            conn.abort()
