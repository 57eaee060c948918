"""k3s as one program: what it says of itself, what its service makes at the first start, and what is gone without it.

Which files it makes, how it takes its settings and over what it gives up: its documentation and the facts about hosts.
From memory: the words of its failures. Of its containerd `rancher` knows, of its API server the cluster of the world.
"""

from __future__ import annotations

from lab.host.standins import contents
from lab.host.standins.box import Box, fail, say
from lab.host.standins.places import PLACES, place

PROGRAM, SETTINGS = "/usr/local/bin/k3s", "/etc/rancher/k3s/config.yaml"
UNITS = ("k3s", "k3s-agent")
NONE = "none"
HOME = "/var/lib/rancher/k3s"
KUBECONFIG = "/etc/rancher/k3s/k3s.yaml"
_LISTENS = (":192B ", ":280A ")
MYPY = False
if MYPY:
    from typing import Any


class CannotStart(Exception):
    """Its service ends at once, in these words."""


def program(version: str) -> str:
    """What a release is made of: the same bytes everywhere."""
    return contents.PROGRAM % f"k3s {version}"


def k3s(box: Box, args: list[str]) -> int:
    """Says its version, which stands in it."""
    if args[1:] != ["--version"]:
        fail(1, f"k3s: only --version is simulated, not {' '.join(args[1:])!r}")
    say(f"k3s version {args[0]} (rehearsal)", "go version go1.24.6")
    return 0


def read_units(box: Box) -> None:
    """What systemd reads anew: services whose files came, and those whose files went."""
    for name in UNITS:
        there, known = box.exists(_file(name)), box.state["services"].get(name)
        if there and known is None:
            box.state["services"][name] = {"active": False, "enabled": False, "starts": 0, "by_file": True}
        elif not there and known and known.get("by_file"):
            del box.state["services"][name]
            box.remove(place(box).socket)
            kept = name if box.exists(HOME) else ""
            box.state.update(runtime=NONE, running=None, handlers=[], authority="", data_of=kept)


def _file(name: str) -> str:
    return f"/etc/systemd/system/{name}.service"


def begin(box: Box, name: str) -> None:
    """What comes before its containerd; raises CannotStart."""
    role = "server" if name == "k3s" else "agent"
    _check(box, name, role)
    said = settings(box)
    token = _token(box, said)
    if role == "agent" and not (said.get("server") and token):
        raise CannotStart("--token is required" if said.get("server") else "--server is required")
    box.state["runtime"] = name
    for program in ("containerd", "ctr", "crictl"):
        box.write(f"{HOME}/data/current/bin/{program}", contents.PROGRAM % program, 0o755)
    if role == "server":
        _serve(box, token)
    if box.fault("k3s-server-silent"):
        return
    box.write(PLACES[name].joined, "apiVersion: v1\nkind: Config\n", 0o600)
    for file in ("/etc/rancher/node/password", "/var/lib/kubelet/device-plugins/DEPRECATION", "/var/lib/cni/.there"):
        if not box.exists(file):
            box.write(file, f"{box.state['machine_id'][:16]}\n", 0o600)


def _check(box: Box, name: str, role: str) -> None:
    """Program and unit fit each other, and nobody has its ports."""
    if f"ExecStart={PROGRAM} {role}\n" not in (box.read(_file(name)) or ""):
        raise CannotStart(f"{name}: its unit does not start {PROGRAM} {role}")
    if not (box.read(PROGRAM) or "").startswith("#!/bin/sh"):
        raise CannotStart(f"Failed to execute {PROGRAM}: Exec format error")
    if any(port in (box.read("/proc/net/tcp") or "") for port in _LISTENS):
        raise CannotStart("listen tcp: bind: address already in use")


def settings(box: Box) -> dict[str, Any]:
    """Keys and values of one line; k3s gives up over what it does not know."""
    known = ("write-kubeconfig-mode", "tls-san", "server", "token-file")
    found: dict[str, Any] = {}
    for line in (box.read(SETTINGS) or "").splitlines():
        key, colon, value = line.partition(":")
        if colon and not line.startswith((" ", "#")):
            if key not in known:
                raise CannotStart(f"flag provided but not defined: -{key}")
            found[key] = value.strip().strip('"')
    return found


def _token(box: Box, said: dict[str, Any]) -> str:
    path = said.get("token-file")
    if path and not box.exists(path):
        raise CannotStart(f"open {path}: no such file or directory")
    return (box.read(path) or "").strip() if path else ""


def _serve(box: Box, token: str) -> None:
    """A cluster of its own: the first start makes its authority, which stays with its data."""
    from binascii import b2a_base64

    kept, authority = f"{HOME}/server/token", f"{HOME}/server/tls/server-ca.crt"
    if not box.exists(authority):
        box.state["clusters"] = box.state.get("clusters", 0) + 1
        box.write(authority, f"authority {box.state['clusters']} of {box.state['machine_id']}\n", 0o644)
        box.write(kept, f"{token or 'K10' + box.state['machine_id']}\n", 0o600)
    if token and (box.read(kept) or "").strip() != token:
        raise CannotStart(
            "failed to bootstrap cluster data: bootstrap data already found and encrypted with different token"
        )

    def coded(text: str) -> str:
        return b2a_base64(text.encode(), newline=False).decode()

    whole = coded(box.read(authority) or "")
    box.state["authority"] = whole
    box.write(KUBECONFIG, (
        f"apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: {whole}\n"
        "    server: https://127.0.0.1:6443\n  name: default\ncontexts:\n- context:\n    cluster: default\n"
        "    user: default\n  name: default\ncurrent-context: default\nkind: Config\npreferences: {}\nusers:\n"
        f"- name: default\n  user:\n    client-certificate-data: {coded('certificate ' + whole)}\n"
        f"    client-key-data: {coded('key ' + whole)}\n"
    ), 0o600)  # fmt: skip
