// Stand-ins for what a host without a card cannot have: the kernel's modules for it, and NVIDIA's programs.
//
// One binary under many names. Everything else on a host of the lab is not ours: systemd, sshd, apt, dpkg, dkms, kmod's
// modinfo and depmod, initramfs-tools, containerd, runc. What is said and with which status: facts/hosts.md of the
// project (man page of nvidia-smi, sources of nvidia-container-cli and nvidia-ctk); only status 9 was seen with the
// real nvidia-smi.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

var programs = map[string]func([]string) int{
	"nvidia-smi": smi, "nvidia-persistenced": persistenced, "nvidia-ctk": ctk, "nvidia-container-cli": containerCli,
	"nvidia-container-runtime": containerRuntime, "modprobe": modprobe, "rmmod": rmmod, "lsmod": lsmod,
	"hardware": boot, "uname": uname, "modinfo": modinfo, "use-card": useCard,
}

func main() {
	name := filepath.Base(os.Args[0])
	run, known := programs[name]
	if !known {
		fail(2, "no stand-in is called %s", name)
	}
	os.Exit(run(os.Args[1:]))
}

func fail(status int, words string, values ...any) int {
	fmt.Fprintf(os.Stderr, words+"\n", values...)
	os.Exit(status)
	return status
}
