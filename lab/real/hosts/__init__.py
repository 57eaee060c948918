"""Hosts of the lab: real systemd, sshd, apt, dkms and containerd in systemd-nspawn; only the card is a stand-in."""
