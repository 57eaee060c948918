package main

import (
	"os"
	"os/exec"
	"strings"
)

// blockedAtBoot: the kernel's own driver takes the cards in the initial RAM disk, so what counts is what stands there.
func blockedAtBoot(kernel, module string) bool {
	folder, err := os.MkdirTemp("/run", "initrd")
	if err != nil {
		return false
	}
	defer os.RemoveAll(folder)
	exec.Command("/usr/bin/unmkinitramfs", "/boot/initrd.img-"+kernel, folder).Run()
	out, _ := exec.Command("/usr/bin/grep", "-rhE", "^(blacklist|install) +"+module, folder).Output()
	return strings.TrimSpace(string(out)) != ""
}
