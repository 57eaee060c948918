"""etcd, API server, controllers, scheduler and kwok: all on loopback, with verified certificates."""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import yaml

from lab.real import tools
from lab.real.api import Api, UnreachableError
from lab.real.certificates import Authority
from lab.real.ports import free_port
from lab.real.processes import Processes

STAGES = Path(__file__).resolve().parent / "stages"
CONTEXT, STRANGER = "lab", "stranger"
"""Contexts of the kubeconfig: whoever may do everything, and whoever may do nothing."""
_USERS = {
    CONTEXT: ("lab-admin", "system:masters"),
    STRANGER: ("stranger", ""),
    "controllers": ("system:kube-controller-manager", ""),
    "scheduler": ("system:kube-scheduler", ""),
    "kwok": ("lab-kwok", "system:masters"),
}
_PATIENCE = 60.0
_LOOK = 0.05


class NotReadyError(Exception):
    """A part of the cluster did not come up in time."""


class ControlPlane:
    """The processes of one cluster, all their files in one folder."""

    def __init__(self, folder: Path, built: Mapping[str, Path]) -> None:
        self.folder, self.built = folder, built
        self.processes = Processes(folder / "logs")
        self.authority = Authority(folder / "pki")
        self.tokens = {user: secrets.token_hex(16) for user in _USERS}
        self.port, self._etcd_port = free_port(), free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.api = Api(self.url, self.authority.certificate.read_text(), self.tokens[CONTEXT], keep=True)
        self.kubeconfig = self._kubeconfig("kubeconfig", (CONTEXT, STRANGER))
        self._server = self.authority.issue("apiserver", ("IP:127.0.0.1", "DNS:localhost"))
        self._client = self.authority.issue("apiserver-client", organization="system:masters")
        self._accounts = self.authority.key_pair("service-accounts")

    def start(self) -> None:
        """Brings up everything but kwok, which needs its definitions first."""
        self._start_etcd()
        self.start_api()
        self._start_controllers()

    def close(self) -> None:
        """Ends all processes."""
        self.api.close()
        self.processes.close()

    # etcd and the API server

    def _start_etcd(self) -> None:
        crt, key = self.authority.issue("etcd", ("IP:127.0.0.1",))
        own, peers = f"https://127.0.0.1:{self._etcd_port}", f"http://127.0.0.1:{free_port()}"
        self.processes.start("etcd", [
            tools.etcd(), "--name", "lab", "--data-dir", self.folder / "etcd", "--unsafe-no-fsync",
            "--listen-client-urls", own, "--advertise-client-urls", own, "--client-cert-auth",
            "--cert-file", crt, "--key-file", key, "--trusted-ca-file", self.authority.certificate,
            "--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers, "--initial-cluster", f"lab={peers}",
        ])  # fmt: skip

    def start_api(self) -> None:
        """Starts the API server on what etcd holds, and waits until it answers."""
        ca, (crt, key), (client, client_key) = self.authority.certificate, self._server, self._client
        self.processes.start("kube-apiserver", [
            self.built["kube-apiserver"], f"--secure-port={self.port}", "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none", "--anonymous-auth=false",
            "--allow-privileged=true",
            # Debian's etcd 3.4 cannot serve such watches: whoever asks (kwok, Helm) would wait half a minute to see it.
            "--feature-gates=WatchList=false",
            f"--tls-cert-file={crt}", f"--tls-private-key-file={key}", f"--token-auth-file={self._token_file()}",
            "--authorization-mode=Node,RBAC", "--service-cluster-ip-range=10.96.0.0/16",
            f"--etcd-servers=https://127.0.0.1:{self._etcd_port}", f"--etcd-cafile={ca}",
            f"--etcd-certfile={client}", f"--etcd-keyfile={client_key}", f"--kubelet-certificate-authority={ca}",
            f"--kubelet-client-certificate={client}", f"--kubelet-client-key={client_key}",
            "--kubelet-preferred-address-types=InternalIP", "--service-account-issuer=https://lab.invalid",
            f"--service-account-signing-key-file={self._accounts[0]}",
            f"--service-account-key-file={self._accounts[1]}",
        ])  # fmt: skip
        self.wait("the API server", self.answers)

    def stop_api(self) -> None:
        """Ends the API server; etcd keeps what there is."""
        self.api.close()
        self.processes.stop("kube-apiserver", patience=0.5)

    def answers(self) -> bool:
        """Whether the API server is ready."""
        try:
            return self.api.text("/readyz") == "ok"
        except Exception as error:
            if isinstance(error, UnreachableError) or "check failed" in str(error):
                return False
            raise

    def _token_file(self) -> Path:
        file = self.folder / "pki" / "tokens.csv"
        lines = [f"{self.tokens[key]},{name},{key}" + (f',"{group}"' if group else "")
                 for key, (name, group) in _USERS.items()]  # fmt: skip
        file.write_text("\n".join([*lines, ""]))
        file.chmod(0o600)
        return file

    # whoever works with it

    def _start_controllers(self) -> None:
        ca, quick = self.authority.certificate, ("--kube-api-qps=200", "--kube-api-burst=400")
        manager = self._kubeconfig("controllers.kubeconfig", ("controllers",))
        self.processes.start("kube-controller-manager", [
            self.built["kube-controller-manager"], f"--kubeconfig={manager}", "--leader-elect=false",
            "--bind-address=127.0.0.1", f"--secure-port={free_port()}", f"--root-ca-file={ca}",
            "--use-service-account-credentials", f"--service-account-private-key-file={self._accounts[0]}", *quick,
        ])  # fmt: skip
        scheduler = self._kubeconfig("scheduler.kubeconfig", ("scheduler",))
        self.processes.start("kube-scheduler", [
            self.built["kube-scheduler"], f"--kubeconfig={scheduler}", "--leader-elect=false",
            "--bind-address=127.0.0.1", f"--secure-port={free_port()}", *quick,
        ])  # fmt: skip

    def start_kwok(self) -> None:
        """The kubelets of all nodes: what their pods do stands in the stages, what they print in Logs objects."""
        crt, key = self.authority.issue("kwok", ("IP:127.0.0.1",))
        port = free_port()
        self.processes.start("kwok", [
            self.built["kwok"], f"--kubeconfig={self._kubeconfig('kwok.kubeconfig', ('kwok',))}",
            "--manage-all-nodes=true", "--node-ip=127.0.0.1", f"--node-port={port}",
            f"--server-address=127.0.0.1:{port}", f"--tls-cert-file={crt}", f"--tls-private-key-file={key}",
            "--node-lease-duration-seconds=40", "--enable-crds=Logs", "--config", STAGES / "nodes.yaml",
            "--config", STAGES / "pods.yaml",
        ])  # fmt: skip

    def wait(self, what: str, holds: Callable[[], bool], patience: float = _PATIENCE) -> None:
        """Looks until it holds; raises `NotReadyError`, or says which process has ended meanwhile."""
        deadline = time.monotonic() + patience
        while not holds():
            self.processes.check()
            if time.monotonic() > deadline:
                raise NotReadyError(f"{what} was not ready after {patience:.0f} s; logs: {self.processes.folder}")
            time.sleep(_LOOK)

    def _kubeconfig(self, name: str, users: tuple[str, ...]) -> Path:
        authority = base64.b64encode(self.authority.certificate.read_bytes()).decode()
        file = self.folder / name
        cluster = {"server": self.url, "certificate-authority-data": authority}
        file.write_text(yaml.safe_dump({
            "apiVersion": "v1", "kind": "Config", "current-context": users[0],
            "clusters": [{"name": "lab", "cluster": cluster}],
            "users": [{"name": user, "user": {"token": self.tokens[user]}} for user in users],
            "contexts": [{"name": user, "context": {"cluster": "lab", "user": user}} for user in users],
        }))  # fmt: skip
        file.chmod(0o600)
        return file
