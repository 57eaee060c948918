"""The running kernel: which modules are loaded, which driver has which card, and what the kernel log says of it."""

from __future__ import annotations

from lab.host.standins import modules
from lab.host.standins.box import Box, fail, say, warn
from lab.host.standins.command_line import first, split
from lab.host.standins.drivers import NEEDS, load_nvidia, publish

_DIRECTORY = "not found in directory /lib/modules/"


def modprobe(box: Box, args: list[str]) -> int:
    """Loads or, with -r, unloads."""
    names = [word.replace("-", "_") for word in args if not word.startswith("-")]
    flags = {word for word in args if word.startswith("-")}
    if not names:
        fail(1, "modprobe: ERROR: missing parameters. See -h.")
    quiet = bool(flags & {"-q", "--quiet"})
    with box.locked():
        if flags & {"-r", "--remove", "-rq"}:
            return _unload(box, names)
        return _load(box, names[0], quiet=quiet, dry=bool(flags & {"-n", "--dry-run", "--show-depends"}))


def rmmod(box: Box, args: list[str]) -> int:
    """Unloads."""
    return modprobe(box, ["-r", *args])


def _load(box: Box, name: str, *, quiet: bool, dry: bool) -> int:
    kernel = box.state["kernel"]
    if name in box.state["modules"]:
        return 0
    found = modules.read(box, kernel, name)
    if found is None and name != "nouveau":
        if not quiet:
            warn(f"modprobe: FATAL: Module {name} {_DIRECTORY}{kernel}")
        return 1
    if dry:
        return 0
    if not box.is_root:
        fail(1, f"modprobe: ERROR: could not insert '{name}': Operation not permitted")
    why = insert(box, name)
    if why:
        warn(f"modprobe: ERROR: could not insert '{name}': {why}")
        return 1
    box.spend(1)
    return 0


def insert(box: Box, name: str) -> str:
    """Loads a module with what it needs; why it did not work, or nothing."""
    if name in box.state["modules"]:
        return ""
    found = modules.read(box, box.state["kernel"], name)
    if found is None:
        return "Unknown symbol in module, or unknown parameter (see dmesg)"
    why = _what_stands_against(box, name, found[1])
    if not why:
        box.state["modules"][name] = {key: found[1].get(key, "") for key in ("version", "license")}
    publish(box)
    box.save()
    return why


def _what_stands_against(box: Box, name: str, fields: dict[str, str]) -> str:
    for needed in NEEDS.get(name, ()):
        why = insert(box, needed)
        if why:
            return why
    if any(box.state["modules"][needed]["version"] != fields["version"] for needed in NEEDS.get(name, ())):
        return "Invalid argument"
    if not fields.get("vermagic", "").startswith(f"{box.state['kernel']} "):
        return "Exec format error"
    if box.state["secure_boot"] and not fields.get("signer"):
        box.state["dmesg"].append("Loading of module with unavailable key is rejected")
        return "Key was rejected by service"
    if name == "nvidia":
        return load_nvidia(box, fields["version"], "open" if "GPL" in fields["license"] else "proprietary")
    return ""


def _unload(box: Box, names: list[str]) -> int:
    if not box.is_root:
        fail(1, f"modprobe: ERROR: could not remove '{names[0]}': Operation not permitted")
    for name in names:
        loaded = box.state["modules"]
        users = [user for user, needs in NEEDS.items() if name in needs and user in loaded]
        if name in loaded and (users or _busy(box, name)):
            fail(1, f"modprobe: FATAL: Module {name} is in use.")
        if loaded.pop(name, None) and name in {"nvidia", "nouveau"}:
            for card in box.state["pci"]:
                if card["driver"] == name:
                    card["driver"] = ""
        publish(box)
        box.save()
    return 0


def _busy(box: Box, name: str) -> bool:
    services = box.state["services"]
    held = any(services.get(one, {}).get("active") for one in ("nvidia-persistenced", "nvidia-fabricmanager"))
    return name == "nvidia" and (held or box.fault("gpu-in-use"))


def modinfo(box: Box, args: list[str]) -> int:
    """Prints the fields of a module."""
    options, words = split(args, frozenset({"-F", "--field", "-k", "--set-version"}))
    field, name = first(options, "-F", "--field"), (words or [""])[0]
    kernel = first(options, "-k", "--set-version") or box.state["kernel"]
    found = modules.read(box, kernel, name)
    if found is None:
        fail(1, f"modinfo: ERROR: Module {name} not found.")
    file, fields = found
    if field == "filename" or not field:
        say(file if field else f"filename:       {file}")
    if field:
        say(*[value for key, value in fields.items() if key == field])
    else:
        say(*[f"{key + ':':<16}{value}" for key, value in fields.items()])
    return 0


def depmod(_box: Box, _args: list[str]) -> int:
    """There is no index to be made: modules are looked for where they lie."""
    return 0


def update_initramfs(box: Box, args: list[str]) -> int:
    """Puts the present modprobe.d into the initial RAM disk of the newest kernel, or of all."""
    if not box.is_root:
        fail(1, "update-initramfs: ERROR: You must be root to run this")
    if "-u" not in args and "-c" not in args:
        fail(1, "You must specify at least one of -c, -u, or -d.")
    chosen = args[args.index("-k") + 1] if "-k" in args else ""
    every = modules.kernels(box)
    for kernel in every if chosen == "all" else [chosen or every[-1]]:
        if kernel not in every:
            fail(1, f"{kernel} is not a kernel of this machine: /boot/vmlinuz-{kernel} is missing")
        say(f"update-initramfs: Generating /boot/initrd.img-{kernel}")
        with box.locked():
            box.write(initial(box, kernel), ramdisk(box, kernel), 0o600)
            box.save()
        box.spend(8)
    return 0


def initial(box: Box, kernel: str) -> str:
    """Where the initial RAM disk of a kernel lies."""
    return f"/boot/initramfs-{kernel}.img" if box.state.get("manager") == "dnf" else f"/boot/initrd.img-{kernel}"


def ramdisk(box: Box, kernel: str) -> str:
    """What is in the initial RAM disk, as far as it matters: the settings of modprobe."""
    parts = [f"kernel {kernel}\n"]
    for folder in ("/etc/modprobe.d", "/usr/lib/modprobe.d"):
        parts += [f"== {file}\n{box.read(file)}" for file in box.find(f"{folder}/*.conf")]
    return "".join(parts)


def mokutil(box: Box, args: list[str]) -> int:
    """Says whether Secure Boot is on."""
    if "--sb-state" not in args:
        fail(255, "mokutil: only --sb-state is simulated")
    if not box.exists("/sys/firmware/efi"):
        fail(255, "EFI variables are not supported on this system")
    say(f"SecureBoot {'enabled' if box.state['secure_boot'] else 'disabled'}")
    return 0


def dkms(box: Box, args: list[str]) -> int:
    """Says what was built."""
    if args[:1] != ["status"]:
        fail(1, f"Error! Unknown action specified: {(args or [''])[0]}")
    for kernel in modules.kernels(box):
        version = (box.read(modules.built(kernel, "nvidia")) or "").partition("\n")[0].removeprefix("version=")
        if version:
            say(f"nvidia/{version}, {kernel}, x86_64: installed")
    return 0


def dmesg(box: Box, _args: list[str]) -> int:
    """Prints the kernel log."""
    if not box.is_root:
        fail(1, "dmesg: read kernel buffer failed: Operation not permitted")
    say(*box.state["dmesg"])
    return 0
