package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

var old = map[string]bool{"Kepler": true, "Maxwell": true, "Pascal": true, "Volta": true}

// takeCards is nvidia.ko probing what is on the bus: nobody else's, and of a generation that it drives.
func takeCards(version string, open bool) string {
	taken := 0
	for number, one := range hardware().Cards {
		if holder(one) != "" || (open && old[one.Generation]) || (!open && one.Generation == "Blackwell") {
			continue
		}
		if branch := version[:3]; branch >= "590" && old[one.Generation] {
			continue
		}
		bind(one, "nvidia")
		device(number)
		taken++
	}
	if taken == 0 {
		return "No such device"
	}
	kind := "x86_64 Kernel Module"
	if open {
		kind = "Open Kernel Module for x86_64"
	}
	text := fmt.Sprintf("NVRM version: NVIDIA UNIX %s  %s  Release Build  (dvs-builder@lab)\n", kind, version)
	os.MkdirAll("/proc/driver/nvidia", 0o755)
	os.WriteFile("/proc/driver/nvidia/version", []byte(text), 0o444)
	os.WriteFile(versionFile, []byte(version+"\n"), 0o444)
	return ""
}

func device(number int) {
	syscall.Mknod("/dev/nvidia"+itoa(number), syscall.S_IFCHR|0o666, 195<<8|number)
	syscall.Mknod("/dev/nvidiactl", syscall.S_IFCHR|0o666, 195<<8|255)
}

func holder(one card) string {
	target, _ := os.Readlink(busFolder + one.Address + "/driver")
	if target == "" {
		return ""
	}
	return filepath.Base(target)
}

func bind(one card, driver string) {
	os.Symlink("../../../../bus/pci/drivers/"+driver, busFolder+one.Address+"/driver")
}

func releaseCards(driver string) {
	for _, one := range hardware().Cards {
		if holder(one) == driver {
			os.Remove(busFolder + one.Address + "/driver")
		}
	}
	if driver == "nvidia" {
		os.RemoveAll("/proc/driver/nvidia")
		os.Remove(versionFile)
		for _, path := range glob("/dev/nvidia*") {
			os.Remove(path)
		}
	}
}

// boot is what firmware and kernel do before systemd looks: the bus with its cards, and the modules that are loaded.
func boot([]string) int {
	os.MkdirAll(bootFolder, 0o755)
	for _, folder := range []string{"/sys/module", "/sys/bus/pci", "/proc/driver"} {
		if err := scratch(folder); err != nil {
			return fail(1, "%s: %v", folder, err)
		}
	}
	here := hardware()
	for _, one := range here.Cards {
		onBus(one)
	}
	if here.Nouveau && !blockedAtBoot(here.Kernel, "nouveau") {
		show("nouveau", "")
		for _, one := range here.Cards {
			bind(one, "nouveau")
		}
	}
	if field("nvidia", "version") != "" {
		insert("nvidia") // by its alias for the bus
	}
	for _, file := range append(glob("/etc/modules-load.d/*.conf"), glob("/usr/lib/modules-load.d/*.conf")...) {
		text, _ := os.ReadFile(file)
		for _, line := range strings.Fields(string(text)) {
			if name := underscored(line); name == "nvidia" || needs[name] != nil {
				insert(name)
			}
		}
	}
	return 0
}

// scratch puts memory over a folder of the kernel's, which is read-only or missing here.
func scratch(folder string) error {
	if strings.HasPrefix(folder, "/sys/") {
		if err := syscall.Mount("", "/sys", "", syscall.MS_REMOUNT|syscall.MS_BIND, ""); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	return syscall.Mount("gpu-lab", folder, "tmpfs", 0, "mode=755")
}

func onBus(one card) {
	folder := busFolder + one.Address
	os.MkdirAll(folder, 0o755)
	vendor, model, _ := strings.Cut(one.VendorDevice, ":")
	subVendor, subModel, _ := strings.Cut(one.Subsystem, ":")
	for name, text := range map[string]string{
		"vendor": "0x" + vendor, "device": "0x" + model, "class": one.Class, "subsystem_vendor": "0x" + subVendor,
		"subsystem_device": "0x" + subModel, "numa_node": "-1", "revision": "0xa1", "irq": "16",
		"resource": strings.TrimSpace(strings.Repeat("0x0000000000000000 0x0000000000000000 0x0000000000000000\n", 13)),
	} {
		os.WriteFile(folder+"/"+name, []byte(text+"\n"), 0o444)
	}
	os.WriteFile(folder+"/config", configuration(vendor, model, one.Class, subVendor, subModel), 0o444)
}

func configuration(vendor, model, class, subVendor, subModel string) []byte {
	space := make([]byte, 256)
	put := func(at int, text string) {
		var number uint32
		fmt.Sscanf(strings.TrimPrefix(text, "0x"), "%x", &number)
		space[at], space[at+1] = byte(number), byte(number>>8)
		if len(text) > 6 {
			space[at+2] = byte(number >> 16)
		}
	}
	put(0, vendor)
	put(2, model)
	put(9, class)
	put(0x2c, subVendor)
	put(0x2e, subModel)
	return space
}
