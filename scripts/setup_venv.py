"""Makes .venv with the pinned packages of one or more requirements files; a second call finds them and costs nothing.

Runs under whatever Python the machine has, old ones too, so that it can say what is missing: no new syntax here.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from typing import Dict, List, Optional, Sequence, Tuple

OLDEST = (3, 10)
VENV = ".venv"
PYTHON = os.path.join(VENV, "bin", "python")
STAMP = os.path.join(VENV, "installed.json")
INSTALLER = "uv"
CONTAINS = {"dev": ("lab",)}


class Refusal(Exception):
    """What is missing on this machine and how to get it, in one sentence."""


def requirements(name: str) -> str:
    """The compiled file of a set."""
    return "requirements-%s.txt" % name


def digest(name: str) -> str:
    """Of what the set pins; the name of a set that does not exist is the caller's mistake."""
    try:
        with open(requirements(name), "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except FileNotFoundError:
        raise Refusal("There is no set of packages called %r; there are: lab, dev, gke, aws." % name) from None


def venv_version() -> Optional[Tuple[int, ...]]:
    """Of the Python in .venv; None when there is none that runs."""
    probe = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([PYTHON, "-c", probe], check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except OSError:
        return None
    return tuple(map(int, done.stdout.split(b"."))) if done.returncode == 0 else None


def venv_serves(asked_for: bool) -> bool:
    """Whether .venv can stay: it runs, is new enough, and is of the Python that was asked for, if one was."""
    version = venv_version()
    return version is not None and version >= OLDEST and (not asked_for or version == sys.version_info[:2])


def refuse_unfit_python() -> None:
    """Says what this Python lacks to make a virtual environment."""
    here = "%d.%d" % sys.version_info[:2]
    if sys.version_info < OLDEST:
        raise Refusal(
            "Python %s is too old: gpu-ready needs 3.10 or newer. Name one that you have: make setup PYTHON=python3.12"
            % here
        )
    try:
        import ensurepip  # noqa: F401 - asked for here only to know whether it is there
        import venv  # noqa: F401
    except ImportError:
        raise Refusal(
            "This Python %s cannot make virtual environments: install its venv module "
            "(Debian, Ubuntu: apt-get install python%s-venv), then run the same command again." % (here, here)
        ) from None


def make_venv() -> None:
    """A new .venv; an old one that does not serve goes away."""
    refuse_unfit_python()
    print("setup: making %s with Python %d.%d" % (VENV, *sys.version_info[:2]), flush=True)
    done = quietly([sys.executable, "-m", "venv", "--clear", VENV])
    if done.returncode:
        raise Refusal("Python could not make .venv: %s" % last_line(done))


def quietly(command: List[str]) -> "subprocess.CompletedProcess[bytes]":
    """Runs a command; what it prints is kept."""
    return subprocess.run(
        command, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def last_line(done: "subprocess.CompletedProcess[bytes]") -> str:
    """The last thing a command said."""
    lines = done.stdout.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "exit status %d" % done.returncode


def with_pip(name: str) -> "subprocess.CompletedProcess[bytes]":
    """Slow, but it comes with Python."""
    return quietly(
        [
            PYTHON,
            "-m",
            "pip",
            "install",
            "-q",
            "--disable-pip-version-check",
            "--require-hashes",
            "-r",
            requirements(name),
        ]
    )


def with_uv(name: str) -> "subprocess.CompletedProcess[bytes]":
    """Fast; takes nothing but wheels and archives whose hash is known."""
    return quietly(
        [PYTHON, "-m", "uv", "pip", "install", "-q", "--python", PYTHON, "--require-hashes", "-r", requirements(name)]
    )


def install(name: str, installed: Dict[str, str]) -> None:
    """One set, by uv or else by pip."""
    if installed.get(INSTALLER) != digest(INSTALLER) and with_pip(INSTALLER).returncode:
        print("setup: uv cannot be had here; pip installs instead, which takes longer", flush=True)
    else:
        installed[INSTALLER] = digest(INSTALLER)
        done = with_uv(name)
        if not done.returncode:
            return
        print("setup: uv failed (%s); pip tries instead, which takes longer" % last_line(done), flush=True)
    done = with_pip(name)
    if done.returncode:
        sys.stderr.write(done.stdout.decode("utf-8", "replace"))
        raise Refusal(
            "The packages of %s could not be installed; is a package index within reach?" % requirements(name)
        )


def read_stamp() -> Dict[str, str]:
    """What earlier calls installed: set -> digest. A damaged stamp means: look again."""
    try:
        with open(STAMP) as file:
            stamp: Dict[str, str] = json.load(file)
            return stamp
    except (OSError, ValueError):
        return {}


def write_stamp(installed: Dict[str, str]) -> None:
    """Written whole or not at all."""
    with open(STAMP + ".new", "w") as file:
        json.dump(installed, file, indent=1, sort_keys=True)
    os.replace(STAMP + ".new", STAMP)


def setup(names: Sequence[str], asked_for: bool) -> None:
    """Brings .venv to where all the sets are installed."""
    wanted = {name: digest(name) for name in names}
    if not venv_serves(asked_for):
        make_venv()
    installed = read_stamp()
    for name in names:
        if installed.get(name) == wanted[name]:
            continue
        started = time.time()
        print("setup: installing %s into %s ..." % (requirements(name), VENV), flush=True)
        install(name, installed)
        installed.update({each: digest(each) for each in (name, *CONTAINS.get(name, ()))})
        write_stamp(installed)
        print("setup: done in %.0f s" % (time.time() - started), flush=True)


def main() -> int:
    """Exit status 0 when all is there, 1 with one sentence when it cannot be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="+", metavar="SET", help="lab, dev, gke, aws")
    parser.add_argument("--asked-for", action="store_true", help="a .venv of another Python version is made anew")
    wish = parser.parse_args()
    os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    try:
        setup(wish.sets, wish.asked_for)
    except Refusal as refusal:
        sys.stderr.write("setup: %s\n" % refusal)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
