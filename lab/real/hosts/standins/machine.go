package main

import (
	"encoding/json"
	"os"
	"strings"
	"syscall"
)

// Where the lab puts what a host is made of, and where this boot keeps what is loaded.
const (
	hardwareFile = "/opt/gpu-lab/hardware.json"
	bootFolder   = "/run/gpu-lab"
	versionFile  = "/run/gpu-lab/version"
	useFile      = "/run/gpu-lab/in-use"
	libraryFile  = "/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1"
)

type card struct {
	Address, Uuid, Name, Generation, Compute, Class, Subsystem string
	VendorDevice                                               string `json:"vendor_device"`
	Memory                                                     int
	Mig                                                        bool
}

type machine struct {
	Kernel     string
	Cards      []card
	Nouveau    bool
	SecureBoot bool `json:"secure_boot"`
	Lost       bool
}

func hardware() machine {
	var found machine
	text, err := os.ReadFile(hardwareFile)
	if err == nil {
		err = json.Unmarshal(text, &found)
	}
	if err != nil {
		fail(2, "the lab's description of this host: %v", err)
	}
	return found
}

func firstLine(path string) string {
	text, _ := os.ReadFile(path)
	line, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSpace(line)
}

// loadedVersion is that of the module in the kernel; a container has it from the toolkit.
func loadedVersion() string { return firstLine(versionFile) }

// libraryVersion is that of libnvidia-ml: the file in its place holds nothing else; of a real one (Ubuntu's) the name
// tells it, and in a container, where it has no other name, it is the one that the toolkit found.
func libraryVersion() string {
	text := firstLine(libraryFile)
	if !strings.HasPrefix(text, "\x7fELF") {
		return text
	}
	target, _ := os.Readlink(libraryFile)
	if _, version, found := strings.Cut(target, ".so."); found {
		return version
	}
	return loadedVersion()
}

// held are the cards whose device is here: the driver has them, and in a container the toolkit gave them.
func held(all []card) []card {
	var found []card
	for number, one := range all {
		if exists("/dev/nvidia" + itoa(number)) {
			found = append(found, one)
		}
	}
	return found
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// holdCard keeps the module from being unloaded while it is open; a plain file stands for /dev/nvidiactl.
func holdCard() error {
	file, err := os.OpenFile(useFile, os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		return err
	}
	return syscall.Flock(int(file.Fd()), syscall.LOCK_SH)
}

func isHeld() bool {
	file, err := os.OpenFile(useFile, os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer file.Close()
	return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil
}
