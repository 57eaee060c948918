"""Failures that only a host can have. The same catalogue as `failures`, apart from it because no step on a
workstation has to carry them.

Numbers up to 60 are those under which a first list of them was kept, from 61 on they are new.
"""

from typing import Any, NamedTuple

from decide.failures import FAILURES, Failure

# What is known under the same id there (DRV-1, RT-1 ...) is not said twice.
ROWS: tuple[tuple[Any, ...], ...] = (
    ("HST-1", "access", "sudo wants what it does not get: a password, or a terminal",
     "allow it: USER ALL=(ALL) NOPASSWD: ALL in /etc/sudoers.d/gpu-ready; or sudo: password and the secret "
     "sshPassword",
     (r"sudo: a password is required", r"sudo: a terminal is required", r"you must have a tty",
      r"is not in the sudoers file", r"incorrect password attempt")),
    ("HST-2", "access", "the host shows another key than the declared one: installed anew, or somebody in between",
     "compare it at the console: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub; then correct hostKey",
     (r"host key mismatch", r"failed to parse host key", r"no common algorithm for host key")),
    ("HST-82", "access", "the host does not answer, or not to the end",
     "switch it on, or correct address and port; for one that is away for now: state: offline; for good: "
     "state: abandoned",
     (r"failed attempts?: dial tcp", r"ssh: handshake failed: (EOF|(read|write) tcp)")),
    ("HST-83", "access", "ssh lets nobody in with the keys that were offered",
     "let the public key in: ssh-copy-id; and offer its private one: ssh-add, or the secret sshPrivateKey",
     (r"ssh: unable to authenticate",)),
    ("HST-90", "access", "the connection was cut in the middle of a step; its script may still be at work there",
     "look whether the host is up, then run pulumi up again: each step may run twice, and waits for its earlier self; "
     "for one that is away for now: state: offline",
     (r"without exit status or exit signal", r"(?m)remote (?:path|file) .*connection lost$")),
    ("HST-91", "access", "the private key cannot be read: no key in OpenSSH or PEM form, or one with a passphrase",
     "give the whole file: pulumi config set --secret gpu-ready:sshPrivateKey < FILE; one with a passphrase belongs "
     "into the ssh-agent, and the secret has to go",
     (r"(?<!host key: )ssh: no key found", r"ssh: this private key is passphrase protected")),
    ("HST-92", "access", "SSH_AUTH_SOCK names an ssh-agent that does not answer",
     "start one: eval $(ssh-agent); ssh-add; or unset SSH_AUTH_SOCK and set the secret sshPrivateKey",
     (r"dial unix \S+: connect",)),
    ("HST-94", "access", "nothing can be written to the home of whoever logs in: disk or quota full, or not theirs",
     "log in as that user and look: df ~; quota; ls -ld ~; then pulumi up",
     (r"failed to (?:create|copy|stat) (?!.*connection lost).*(?:remote (?:path|file)|parent directories)",
      r"mkdir: cannot create directory '\.gpu-ready-", r"(?m)^(?:sh|bash)\S*: (?:line )?\d+: cd: ")),
    ("HST-95", "access", "sshd there has no SFTP that works, by which the tools are sent",
     "say in /etc/ssh/sshd_config: Subsystem sftp internal-sftp; then systemctl reload ssh, and pulumi up; with "
     "another SFTP server the log-in shell must print nothing for a command (~/.bashrc)",
     (r"ssh: subsystem request failed", r"error receiving version packet")),
    ("HST-96", "access", "the script joinScript, which makes a new instance a node, ended with a failure",
     "on the host: sudo less /var/log/gpu-ready-join.log; mend the script, then have the machine made anew: pulumi up "
     "--target-replace URN of its instance, which pulumi stack --show-urns tells; then pulumi up"),
    ("HST-70", "access", "another machine answers at this address than the one that was first seen there",
     "correct address and hostKey; for a machine that was replaced or installed anew: state: abandoned, pulumi up; "
     "then declare it under another name, or take it out, pulumi up, and declare it again",
     (r"(?m)^HST-70$",)),
    ("HST-93", "access", "the machine is another stack's, or this stack's under another name",
     "keep that name; or take it out there (pulumi up or destroy), then declare it here; to hand it over with all that "
     "was done, or if that stack is lost: on the host: rm /var/lib/gpu-ready/machine; then pulumi up"),
    ("HST-63", "access", "what the host says of itself cannot be understood",
     "log in and look whether it is the machine that you mean: cat /etc/os-release; uname -a"),
    ("HST-84", "settings", "the wish for the host cannot be understood", "correct it in the stack file"),
    ("HST-97", "packages", "k3s did not come, or is not what its checksum says",
     "version and sha256 of one release: the line of k3s in its sha256sum-amd64.txt; a host that does not reach "
     "GitHub: bareMetal.k3s: {url: a mirror of yours}; a proxy: the one of apt or dnf is used"),
    ("HST-101", "packages", "the .run file of the driver did not come, or is not what its checksum says",
     "version and sha256 of one file; a host that does not reach NVIDIA: driver: {url: a mirror of yours}, or copy it "
     "there and say driver: {path: ...}; a proxy: the one of apt or dnf is used"),
    ("HST-98", "node", "join: k3s is for a machine that is nobody's node, or is a node by this stack",
     "keep the cluster that is there: leave join out; it is no longer needed: take it away by its own means "
     "(k3s-uninstall.sh, kubeadm reset), then pulumi up"),
    ("HST-99", "node", "k3s cannot begin there, or did not come up",
     "on the host: journalctl -u k3s (or k3s-agent); then pulumi up"),
    ("HST-75", "access", "the tools on the host are gone or are not what was put there",
     "another number as the host's look, and pulumi up, puts them back; and find out who changes /var/lib/gpu-ready; "
     "in a first up: with internal-sftp -d in /etc/ssh/sshd_config they went elsewhere: take -d out there",
     (r"(?m)^HST-75$",)),
    ("HST-72", "access", "another run of gpu-ready is at work on the host",
     "wait for it: its process is named above"),
    ("HST-73", "node", "the host is no node: it has no kubelet",
     "let it join the cluster first: kubeadm join, or the installer of k3s or RKE2"),
    ("PCI-1", "card", "the host has no NVIDIA card",
     "hand it through to the virtual machine, switch it on in the firmware, or correct the address"),
    ("PCI-10", "card", "the card is reserved for virtual machines",
     "take it away from vfio-pci (kernel command line, /etc/modprobe.d), or take the host out"),
    ("PCI-9", "card", "the card is newer than the driver, or a share of a card (vGPU), which wants another driver",
     "another branch; for a vGPU: install the guest driver of its vendor, then driver: {source: keep}"),
    ("PCI-2", "card", "the open kernel modules do not know a card as old as this",
     "driver: {flavour: proprietary}, or leave flavour out",
     (r"does not include the required GPU",)),
    ("PCI-3", "card", "the branch does not drive a card as old as this any more",
     "driver: {branch: 580}, or leave branch out",
     (r"supported through the NVIDIA 580\.xx Legacy drivers",)),
    ("HST-74", "card", "the card is not in the catalogue, so nothing says which driver it wants",
     "say it: driver: {branch: 580, flavour: open}"),
    ("HST-79", "card", "no driver serves all cards of the host",
     "take one of them out, or give it to a virtual machine"),
    ("HST-61", "system", "this distribution, version or processor is not one that gpu-ready installs on",
     "use Ubuntu 22.04 to 26.04, Debian 12 or 13, Rocky, Alma, RHEL or CentOS Stream 8 to 10 on x86_64"),
    ("HST-62", "system", "the system does not let packages be installed, or brings its driver from elsewhere",
     "bring driver and toolkit the way the system wants it, then take the node in by target: cluster"),
    ("HST-31", "packages", "dpkg or rpm was interrupted",
     "on the host: dpkg --configure -a; with dnf: rpm --rebuilddb; dnf check",
     (r"dpkg was interrupted", r"rpmdb open failed")),
    ("HST-32", "packages", "there is not enough room on the disk",
     "make room: apt-get clean; apt-get autoremove --purge (old kernels)", (r"No space left on device",)),
    ("HST-33", "packages", "a package repository is out of reach of the host",
     "on the host: apt-get update; look at DNS, firewall, and the proxy in /etc/apt/apt.conf.d"),
    ("HST-71", "packages", "apt or dnf would remove packages that are not ours, or is forbidden to install",
     "on the host: apt-get -s (dnf --assumeno) install with the packages above; then remove what stands in the way"),
    ("HST-78", "packages", "apt or dnf does not offer that version",
     "take one that `apt-cache madison` or `dnf --showduplicates list` names, or leave version out"),
    ("HST-29", "packages", "a module stream of dnf hides the driver's packages",
     "on the host: dnf module list nvidia-driver; dnf module reset nvidia-driver",
     (r"filtered out by modular filtering", r"nothing provides requested module")),
    ("PKG-1", "packages", "dkms, with which the driver's module is built, is in no repository of the host",
     "switch EPEL on: https://docs.fedoraproject.org/en-US/epel/getting-started/; then pulumi up",
     (r"nothing provides dkms",)),
    ("HST-80", "packages", "apt-get or dnf did not do what it was asked",
     "read its last lines above; on the host: apt-get -f install, or dnf check",
     (r"Unable to correct problems, you have held broken packages",)),
    ("TK-12", "packages", "another program holds the lock of apt, dpkg or rpm, automatic updates mostly",
     "wait, never kill it; it is named above", (r"Could not get lock", r"RPMDB already locked by")),
    ("TK-1", "packages", "the key of a package repository is missing, unreadable or not the one that is pinned",
     "a proxy that changes files? a mirror of your own: bareMetal.repositories, with its keySha256; a new key of "
     "NVIDIA: a newer gpu-ready, or an issue (the pins: decide/defaults.py)",
     (r"NO_PUBKEY", r"InRelease' is not signed", r"EXPKEYSIG", r"GPG check FAILED", r"GPG signature verification error",
      r"SHA1 is not considered secure")),
    ("HST-28", "packages", "a repository is listed twice with different keys",
     "remove the older list: grep -rl nvidia /etc/apt/sources.list.d",
     (r"Conflicting values set for option Signed-By",)),
    ("TK-3", "packages", "the packages of the container toolkit have different versions",
     "remove holds and older lists, then run pulumi up again"),
    ("HST-21", "driver", "a driver is there that packages cannot replace: from a .run file, mixed, or in a container",
     "keep it: driver: {source: keep}; or remove it first with its own uninstaller (nvidia-uninstall)"),
    ("HST-22", "driver", "the driver branch has ended", "driver: {branch: 580}, or leave branch out"),
    ("HST-67", "driver", "packages from there are not used on this distribution",
     "driver: {source: auto}"),
    ("HST-100", "driver", "the driver that gpu-ready installed came from another source than the one that is asked for",
     "leave source as it was; or take the host out, pulumi up, and declare it again with the new source"),
    ("HST-23", "driver", "cards that NVSwitch joins have no fabric manager, so CUDA ends with error 802",
     "driver: {extras: [fabricManager]}; on the host: journalctl -u nvidia-fabricmanager",
     (r"system not yet initialized",)),
    ("DRV-13", "driver", "fabric manager and driver have different versions",
     "leave version out, or take one that both have; on the host: apt-cache madison or dnf --showduplicates list",
     (r"fabric manager NVIDIA GPU driver interface version",)),
    ("HST-102", "driver", "what shall come with the driver does not fit this host or its source",
     "take it out of driver.extras"),
    ("DRV-18", "driver", "the installer of the .run file gave up",
     "read its last lines above; then pulumi up", (r"ERROR: Installation has failed",)),
    ("HST-69", "driver", "there is no working driver to keep",
     "install one by hand until nvidia-smi works, or driver: {source: auto}"),
    ("HST-81", "driver", "the card is in use, so its driver cannot be taken away",
     "stop what uses it: kubectl drain; or keep all of it: state: abandoned"),
    ("DRV-16", "driver", "the kernel that boots next has no nvidia module",
     "install the module or the headers of that kernel before anybody reboots"),
    ("DRV-17", "driver", "the kernel's own nova driver holds the card",
     "reboot: ifNeeded; it is blocked, and the host rebooted", (r"is already bound to NovaCore",)),
    ("DRV-2", "driver", "kernel module and driver libraries have different versions",
     "drain and reboot the node, then hold the nvidia packages", (r"API mismatch: the client has the version",)),
    ("HST-64", "driver", "a reboot is needed, and reboot is never", "reboot: ifNeeded, or reboot it yourself"),
    ("HST-58", "reboot", "the host did not come back in time, or never went down",
     "look at its console; on the host: systemctl list-jobs; systemd-inhibit --list; then run pulumi up again"),
    ("DSK-1", "disk", "a disk of the instance store is not blank, and what is on it is not ours",
     "save what is on it, or take instanceStore out; if nobody needs it: on the host: wipefs -a, with the name above"),
    ("DSK-2", "disk", "the host has no instance store",
     "take instanceStore out; or a machine with one (g5, g6, g6e, p4d, p5)"),
    ("DSK-3", "disk", "what the container runtime keeps cannot be brought to the instance store",
     "take instanceStore out"),
    ("DSK-4", "disk", "what the container runtime keeps cannot be moved: in use, too large, or a disk that fails",
     "look into the words above; end what is not needed (crictl rmi --prune); then pulumi up, or destroy"),
    ("DSK-5", "disk", "the container runtime does not start with its instance store",
     "on the host: journalctl -u gpu-ready-store; then pulumi up"),
    ("DSK-6", "disk", "several disks are made one by mdadm, which is not there and cannot be installed",
     "install mdadm on the host, or take instanceStore out"),
    ("DRN-1", "drain", "a PodDisruptionBudget does not let a pod go, so the host was left alone",
     "let it run with one replica more, or look at the budget: kubectl get pdb -A; drain by hand and bareMetal: "
     "{drain: {enabled: false}}"),
    ("DRN-2", "drain", "kubectl does not evict pods whose data or which themselves would be lost",
     "emptyDir: bareMetal: {drain: {emptyDir: delete}}; without a controller: kubectl delete pod; then pulumi up"),
    ("DRN-3", "drain", "a pod of the node did not end in time",
     "bareMetal: {drain: {timeoutSeconds: ...}}; or see what keeps it: kubectl describe pod"),
    ("DRN-4", "drain", "kubectl could not drain the node, or not open it again",
     "grant it get and patch on nodes, get on pods, daemonsets and budgets, create on pods/eviction; then pulumi up"),
    ("HST-68", "toolkit", "this version of the container toolkit is not safe, or does not fit containerd",
     "leave toolkit.version out"),
    ("HST-65", "runtime", "this container runtime is not set up by this release",
     "use a node with containerd, k3s, RKE2 or k0s, or target: cluster"),
    ("RT-12", "runtime", "a template of somebody's own hides the runtimes that k3s and RKE2 find by themselves",
     'begin it with the line {{ template "base" . }} and take out what that repeats, or remove it'),
    ("RT-13", "runtime", "what the kubelet uses does not run, or not with a containerd of its own",
     "on the host: systemctl start k3s (k3s-agent, rke2-server, rke2-agent, k0sworker, k0scontroller)"),
    ("RT-14", "runtime", "k3s or RKE2 was started once more, and its settings for containerd have no handler nvidia",
     "on the host: ls -l /usr/bin/nvidia-container-runtime; journalctl -u k3s"),
    ("RT-17", "runtime", "somebody took over the settings of k0s's containerd, so k0s takes up no other file",
     "take /etc/k0s/containerd.toml away and restart k0s, which makes it anew; or set up the handler nvidia in it"),
    ("RT-15", "runtime", "the kubelet uses Docker (cri-dockerd), which takes no handler and no GPU operator",
     "gpu: {operator: none, runtimeClass: none}, with nvidia as Docker's default runtime; or give the node containerd"),
    ("RT-16", "runtime", "Docker's daemon.json is not what Docker understands, or is somebody else's",
     "on the host: dockerd --validate --config-file /etc/docker/daemon.json"),
    ("HST-66", "runtime", "containerd is too old", "install containerd 1.6 or newer"),
    ("TK-6", "runtime", "containerd runs without its CRI plugin, so it is not the one that the kubelet uses",
     "containerd config default > /etc/containerd/config.toml, set SystemdCgroup = true, restart containerd"),
    ("HST-34", "runtime", "containerd runs, and neither crictl nor ctr reaches its CRI plugin",
     "on the host: crictl --runtime-endpoint unix:///run/containerd/containerd.sock info; ctr plugins ls"),
    ("HST-77", "runtime", "containerd did not come back with the new configuration; the old one is in place again",
     "on the host: journalctl -u containerd", (r"duplicated tables", r"table \w+ already exists")),
    ("HST-76", "runtime", "a container on the host does not see the card",
     "on the host: nvidia-smi; nvidia-ctk cdi list; nvidia-container-cli info"),
)  # fmt: skip
HOST_FAILURES = [Failure(*row) for row in ROWS]
ALL = [*FAILURES, *HOST_FAILURES]
BY_ID = {failure.id: failure for failure in ALL}


class Refusal(NamedTuple):
    """Why something is not done to a host: the id of a known failure, what is wrong here, and what to do."""

    id: str
    problem: str
    fix: str

    @property
    def layer(self) -> str:
        """The layer that it is about."""
        return BY_ID[self.id].layer

    def lines(self) -> list[str]:
        """As each step of ours ends when it refuses."""
        return [f"{self.id} {self.layer}: {self.problem}", f"fix: {self.fix}"]


def refusal(id: str, problem: str = "", fix: str = "") -> Refusal:
    """A refusal with cause and fix from the catalogue where none is given."""
    known = BY_ID[id]
    return Refusal(id, problem or known.cause, fix or known.fix)
