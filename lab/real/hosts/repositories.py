"""Signed apt repositories with stand-ins for NVIDIA's packages, made by dpkg-deb, apt-ftparchive and gpg, and kept."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from lab.host.standins import archive
from lab.real.hosts import contents, places
from lab.real.hosts.contents import File
from lab.real.hosts.fetcher import OWN

ADDRESSES: Final = {"cuda": archive.CUDA_REPOSITORIES["debian-12"], "toolkit": archive.TOOLKIT_REPOSITORY}
"""Where each lies, below the lab's own host: a mirror keeps the end of the path."""
PROGRAMS, REPOSITORIES = "standins", "repositories"
"""How what is made here is called in the cache."""
KEY, KEYRING = "key.asc", "cuda-keyring_1.1-1_all.deb"


def programs() -> Path:
    """The folder with the stand-in for NVIDIA's programs and the kernel's modules, compiled."""
    sources = sorted((places.HERE / "standins").glob("*"))
    return places.kept(f"{PROGRAMS}-{places.key_of(*(one.read_bytes() for one in sources))}", _compile)


def _compile(folder: Path) -> None:
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local"}
    command = ["go", "build", "-trimpath", "-ldflags=-s -w", "-o", str(folder / "standin"), "."]
    subprocess.run(command, cwd=places.HERE / "standins", env=environment, check=True)


def repositories() -> Path:
    """The folder that is served under the lab's own host."""
    program = programs() / "standin"
    sources = [places.HERE / "contents.py", places.HERE / "repositories.py", Path(archive.__file__), program]
    return places.kept(
        f"{REPOSITORIES}-{places.key_of(*(one.read_bytes() for one in sources))}", lambda folder: _make(folder, program)
    )


def url(name: str) -> str:
    """The address of a repository."""
    return f"http://{OWN}/{ADDRESSES[name]}/"


def settings(keyring: bool = False) -> dict[str, Any]:
    """What a stack file says of them under `bareMetal.repositories`; `keyring`: the key comes as a package."""
    files = {"cuda": KEYRING if keyring else KEY, "toolkit": KEY}
    return {
        name: {"url": url(name), "keyUrl": f"{url(name)}{file}", "keySha256": _sum(file_of(name) / file)}
        for name, file in files.items()
    }


def file_of(name: str) -> Path:
    """The folder of a repository."""
    return repositories() / ADDRESSES[name]


def _sum(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _make(folder: Path, program: Path) -> None:
    keys = folder / ".gnupg"
    keys.mkdir(mode=0o700)
    try:
        for name, address in ADDRESSES.items():
            place = folder / address
            place.mkdir(parents=True)
            _sign_up(keys, name, place / KEY)
            _pack_all(place, archive.packages(name, "debian-12"), program)
            if name == "cuda":
                files = contents.keyring(place / KEY, url(name))
                _pack(place / KEYRING, ("cuda-keyring", "1.1-1", "all"), files, {}, program)
            _index(keys, name, place)
    finally:
        subprocess.run(["gpgconf", "--homedir", str(keys), "--kill", "all"], check=False)
        shutil.rmtree(keys)


def _gpg(keys: Path, *words: str) -> None:
    command = ["gpg", "--homedir", str(keys), "-q", "--batch", "--yes", "--passphrase", "", *words]
    subprocess.run(command, check=True, capture_output=True)


def _sign_up(keys: Path, name: str, key: Path) -> None:
    _gpg(keys, "--quick-gen-key", f"lab {name} <{name}@{OWN}>", "rsa2048", "sign", "never")
    _gpg(keys, "--armor", "--output", str(key), "--export", f"{name}@{OWN}")


def _pack_all(place: Path, packages: Sequence[archive.Package], program: Path) -> None:
    def one(package: archive.Package) -> None:
        name, version = package.name, package.version
        fields = {
            "Depends": ", ".join(package.depends), "Conflicts": ", ".join(package.conflicts),
            "Provides": ", ".join(package.provides), **_scripts(name, version),
        }  # fmt: skip
        file = place / f"{name}_{version}_amd64.deb"
        _pack(file, (name, version, "amd64"), contents.files(name, version), fields, program)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, packages))


def _scripts(name: str, version: str) -> dict[str, str]:
    return {f"/{key}": text for key, text in contents.scripts(name, version).items()}


def _pack(
    target: Path, known: tuple[str, str, str], files: Iterable[File], fields: dict[str, str], program: Path
) -> None:
    """One package; a field whose name begins with a slash is a script of the maintainer."""
    tree = target.with_suffix(".tree")
    control = tree / "DEBIAN"
    control.mkdir(parents=True)
    name, version, architecture = known
    lines = [f"Package: {name}", f"Version: {version}", f"Architecture: {architecture}",
             "Maintainer: lab <lab@packages.lab>", "Section: misc", "Priority: optional",
             *(f"{key}: {text}" for key, text in fields.items() if text and key[0] != "/"),
             f"Description: stand-in for {name}", ""]  # fmt: skip
    (control / "control").write_text("\n".join(lines))
    for key, text in fields.items():
        if key[0] == "/":
            (control / key[1:]).write_text(text)
            (control / key[1:]).chmod(0o644 if key == "/triggers" else 0o755)
    settings = [_put(tree, one, program) for one in files]
    (control / "conffiles").write_text("".join(f"/{path}\n" for path in settings if path.startswith("etc/")))
    command = ["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "-b", str(tree), str(target)]
    subprocess.run(command, check=True, capture_output=True)
    shutil.rmtree(tree)


def _put(tree: Path, one: File, program: Path) -> str:
    file = tree / one.path
    file.parent.mkdir(parents=True, exist_ok=True)
    if one.link:
        file.symlink_to(one.text)
    elif one.program:
        shutil.copyfile(program, file)
        file.chmod(one.mode)
    else:
        file.write_bytes(one.data or one.text.encode())
        file.chmod(one.mode)
    return one.path


def _index(keys: Path, name: str, place: Path) -> None:
    """A flat repository, as NVIDIA's are."""
    packed = subprocess.run(["apt-ftparchive", "packages", "."], cwd=place, check=True, capture_output=True).stdout
    (place / "Packages").write_bytes(packed)
    subprocess.run(["gzip", "-9nk", str(place / "Packages")], check=True)
    options = [f"-oAPT::FTPArchive::Release::{key}={text}" for key, text in (("Origin", "NVIDIA"), ("Label", name))]
    release = subprocess.run(
        ["apt-ftparchive", *options, "release", "."], cwd=place, check=True, capture_output=True
    ).stdout
    (place / "Release").write_bytes(release)
    user = f"{name}@{OWN}"
    _gpg(keys, "-u", user, "--clearsign", "--output", str(place / "InRelease"), str(place / "Release"))
