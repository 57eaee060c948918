"""`rpm`: what is installed, and keys."""

from __future__ import annotations

from lab.host.standins import rpm_archive, rpm_packing
from lab.host.standins.box import Box, fail, say
from lab.host.standins.dnf import plain
from lab.host.standins.dnf_sources import LOCKER
from lab.host.standins.patterns import fits

_PROVIDES = {"dnf-command(versionlock)": LOCKER}


def rpm(box: Box, args: list[str]) -> int:
    """Runs it."""
    form, words, flags, rest = "", [], set(), list(args)
    while rest:
        word = rest.pop(0)
        if word == "--qf":
            form = rest.pop(0).replace("\\n", "\n")
        elif word.startswith("-"):
            flags.add(word)
        else:
            words.append(word)
    if "-qa" in flags:
        return _all(box, form, words)
    if "--whatprovides" in flags:
        words = [_PROVIDES.get(word, word) for word in words]
    if "-q" in flags:
        return max([_one(box, form, word) for word in words], default=0)
    if "-e" in flags:
        return _erase(box, words, "--nodeps" in flags)
    return fail(1, f"rpm: the stand-in has no {' '.join(args)}")


def _all(box: Box, form: str, patterns: list[str]) -> int:
    for pattern in patterns or ["*"]:
        for key in box.state["rpm_keys"]:
            if fits(key, pattern):
                _say(form, "gpg-pubkey", key.removeprefix("gpg-pubkey-"), "(none)")
        for name, one in box.state["packages"].items():
            if fits(plain(name), pattern):
                _say(form, name, one["version"], "x86_64")
    return 0


def _say(form: str, name: str, version: str, arch: str) -> None:
    upstream, _dash, release = version.rpartition("-")
    short = plain(name)
    of_nvidia = "nvidia" in short and "container" not in short
    fields = {
        "NAME": short, "VERSION": upstream, "RELEASE": release, "ARCH": arch,
        "EPOCHNUM": rpm_archive.EPOCH.rstrip(":") if of_nvidia else "0",
    }  # fmt: skip
    text = form or (
        "%{NAME}-%{VERSION}-%{RELEASE}\n" if arch == "(none)" else "%{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}\n"
    )
    for key, value in fields.items():
        text = text.replace("%{" + key + "}", value)
    print(text, end="")


def _one(box: Box, form: str, name: str) -> int:
    if name in box.state["packages"]:
        _say(form, name, box.state["packages"][name]["version"], "x86_64")
        return 0
    if any(key == name or key.startswith(f"{name}-") for key in box.state["rpm_keys"]):
        say(name)
        return 0
    say(f"package {name} is not installed")
    return 1


def _erase(box: Box, names: list[str], forced: bool) -> int:
    for name in names:
        with box.locked():
            if name in box.state["packages"] and forced:
                rpm_packing.remove(box, name)
                continue
            if name not in box.state["rpm_keys"]:
                fail(1, f"error: package {name} is not installed")
            box.state["rpm_keys"].remove(name)
            box.save()
    return 0


def curl(box: Box, args: list[str]) -> int:
    """Fetches what lies behind an address into a file."""
    from lab.host.standins.downloads import fetched

    target, url = args[args.index("-o") + 1], args[-1]
    if box.fault("no-network"):
        fail(6, f"curl: (6) Could not resolve host: {url.split('/')[2]}")
    text, _checksum = fetched(url)
    if not text:
        fail(22, "curl: (22) The requested URL returned error: 404")
    with open(box.path(target), "wb") as file:
        file.write(text if isinstance(text, bytes) else text.encode())
    box.spend(1)
    return 0


def dracut(box: Box, args: list[str]) -> int:
    """Puts the present modprobe.d into the initial RAM disk of a kernel."""
    from lab.host.standins import kernel, modules

    wanted = args[args.index("--kver") + 1] if "--kver" in args else box.state["kernel"]
    if wanted not in modules.kernels(box):
        fail(1, f"dracut: Cannot find module directory /lib/modules/{wanted}/")
    if "--force" not in args and "-f" not in args:
        fail(1, f"dracut: Will not override existing initramfs (/boot/initramfs-{wanted}.img) without --force")
    with box.locked():
        box.write(kernel.initial(box, wanted), kernel.ramdisk(box, wanted), 0o600)
        box.save()
    box.spend(20)
    return 0
