"""An authority of our own for one run of the lab: every connection inside it is encrypted and verified."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from lab.real.tools import MissingError

_DAYS = "2"  # a lab lives minutes; one that is left standing overnight still works
_CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")


class Authority:
    """Signs certificates into a folder that only its owner can read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        self.certificate = folder / "ca.crt"
        extensions = ("-addext", "keyUsage=critical,keyCertSign", "-subj", "/CN=gpu-ready lab")
        self._openssl("req", "-x509", "-nodes", *_CURVE, "-days", _DAYS, *extensions, "-keyout", "ca.key",
                      "-out", "ca.crt")  # fmt: skip

    def issue(self, name: str, alternatives: Sequence[str] = (), organization: str = "") -> tuple[Path, Path]:
        """Certificate and key for a server (of these names and addresses) or for a client (of this name)."""
        subject = f"/O={organization}/CN={name}" if organization else f"/CN={name}"
        names = ",".join(alternatives or (f"DNS:{name}",))
        self._openssl(
            "req", "-x509", "-nodes", *_CURVE, "-days", _DAYS, "-CA", "ca.crt", "-CAkey", "ca.key", "-subj", subject,
            "-addext", f"subjectAltName={names}", "-addext", "extendedKeyUsage=serverAuth,clientAuth",
            "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", f"{name}.key", "-out", f"{name}.crt",
        )  # fmt: skip
        return self.folder / f"{name}.crt", self.folder / f"{name}.key"

    def key_pair(self, name: str) -> tuple[Path, Path]:
        """A private and a public key that nobody signs."""
        self._openssl("ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", f"{name}.key")
        self._openssl("ec", "-in", f"{name}.key", "-pubout", "-out", f"{name}.pub")
        return self.folder / f"{name}.key", self.folder / f"{name}.pub"

    def _openssl(self, *words: str) -> None:
        if shutil.which("openssl") is None:
            raise MissingError("openssl is not on PATH: make lab-setup, or apt-get install openssl")
        done = subprocess.run(["openssl", *words], cwd=self.folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"openssl {words[0]}: {done.stderr.strip()}")
