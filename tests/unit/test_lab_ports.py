"""Ports of the lab's servers: several clusters come up at once, and a server takes seconds until it listens."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from lab.real import ports
from lab.real.ports import free_port

MANY = "from lab.real.ports import free_port; print(*(free_port() for _ in range(300))); input()"
ROOT = Path(__file__).resolve().parents[2]


def test_nobody_gets_a_port_that_somebody_else_was_given_and_does_not_use_yet() -> None:
    askers = [
        subprocess.Popen(
            [sys.executable, "-c", MANY], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    given = [one.stdout.readline().split() for one in askers if one.stdout]  # each goes on living
    for one in askers:
        one.communicate("\n")
    assert len({port for each in given for port in each}) == 900


def test_no_outgoing_connection_takes_one() -> None:
    first_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    if first_outgoing < 22000:
        pytest.skip(f"here outgoing connections use all ports from {first_outgoing} on")
    assert all(20000 <= free_port() < first_outgoing for _ in range(20))


def test_a_port_with_a_server_of_somebody_else_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken, other = server.getsockname()[1], free_port()
        monkeypatch.setattr(ports, "_given", lambda _port: True)
        monkeypatch.setattr("random.sample", lambda *_: [taken, other])
        assert free_port() == other
        monkeypatch.setattr("random.sample", lambda *_: [taken])
        with pytest.raises(OSError, match="none of the ports 20000 to"):
            free_port()
