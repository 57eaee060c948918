package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// Modules are real files, built by the real DKMS and read by the real modinfo; only the kernel of the lab takes none.
var needs = map[string][]string{
	"nvidia_uvm": {"nvidia"}, "nvidia_modeset": {"nvidia"}, "nvidia_peermem": {"nvidia"}, "nvidia_drm": {"nvidia_modeset"},
}

const (
	moduleFolder = "/sys/module/"
	busFolder    = "/sys/bus/pci/devices/"
)

func itoa(number int) string { return strconv.Itoa(number) }

func underscored(name string) string { return strings.ReplaceAll(name, "-", "_") }

func uname(args []string) int {
	out, err := exec.Command("/usr/bin/uname", args...).Output()
	if err != nil {
		return 1
	}
	real := firstLine("/proc/sys/kernel/osrelease")
	fmt.Print(strings.ReplaceAll(string(out), real, hardware().Kernel))
	return 0
}

// modinfo is the real one, told which kernel runs here.
func modinfo(args []string) int {
	given := false
	for _, word := range args {
		given = given || word == "-k" || strings.HasPrefix(word, "--set-version")
	}
	if !given {
		args = append([]string{"-k", hardware().Kernel}, args...)
	}
	return passed(exec.Command("/sbin/modinfo", args...))
}

func passed(command *exec.Cmd) int {
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	if command.Run() != nil {
		return max(command.ProcessState.ExitCode(), 1)
	}
	return 0
}

func field(module, name string) string {
	out, _ := exec.Command("/sbin/modinfo", "-k", hardware().Kernel, "-F", name, module).Output()
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line)
}

func isLoaded(module string) bool { return exists(moduleFolder + module) }

func modprobe(args []string) int {
	var names []string
	remove, quiet, dry := false, false, false
	for _, word := range args {
		switch word {
		case "-r", "--remove":
			remove = true
		case "-q", "--quiet":
			quiet = true
		case "-n", "--dry-run", "--show-depends":
			dry = true
		default:
			if !strings.HasPrefix(word, "-") {
				names = append(names, underscored(word))
			}
		}
	}
	if len(names) == 0 {
		return fail(1, "modprobe: ERROR: missing parameters. See -h.")
	}
	if remove {
		return unloadAll(names)
	}
	name := names[0]
	if !isLoaded(name) && field(name, "filename") == "" && name != "nouveau" {
		if !quiet {
			fail(1, "modprobe: FATAL: Module %s not found in directory /lib/modules/%s", name, hardware().Kernel)
		}
		return 1
	}
	if dry || isLoaded(name) {
		return 0
	}
	if os.Geteuid() != 0 {
		return fail(1, "modprobe: ERROR: could not insert '%s': Operation not permitted", name)
	}
	if why := insert(name); why != "" {
		return fail(1, "modprobe: ERROR: could not insert '%s': %s", name, why)
	}
	return 0
}

func rmmod(args []string) int { return unloadAll(args) }

// insert loads a module with what it needs; why it did not work, or nothing.
func insert(name string) string {
	if isLoaded(name) {
		return ""
	}
	for _, needed := range needs[name] {
		if why := insert(needed); why != "" {
			return why
		}
	}
	version := field(name, "version")
	if len(needs[name]) > 0 && version != loadedVersion() {
		return "Invalid argument"
	}
	if hardware().SecureBoot && field(name, "signer") == "" {
		return "Key was rejected by service"
	}
	if name == "nvidia" {
		if why := takeCards(version, strings.Contains(field(name, "license"), "GPL")); why != "" {
			return why
		}
	}
	show(name, version)
	return ""
}

func show(name, version string) {
	os.MkdirAll(moduleFolder+name, 0o755)
	os.WriteFile(moduleFolder+name+"/refcnt", []byte("0\n"), 0o444)
	if version != "" {
		os.WriteFile(moduleFolder+name+"/version", []byte(version+"\n"), 0o444)
	}
}

func unloadAll(names []string) int {
	for _, given := range names {
		name := underscored(given)
		if !isLoaded(name) {
			continue
		}
		for user, needed := range needs {
			if needed[0] == name && isLoaded(user) {
				return fail(1, "modprobe: FATAL: Module %s is in use.", name)
			}
		}
		if name == "nvidia" && isHeld() {
			return fail(1, "modprobe: FATAL: Module %s is in use.", name)
		}
		os.RemoveAll(moduleFolder + name)
		if name == "nvidia" || name == "nouveau" {
			releaseCards(name)
		}
	}
	return 0
}

func lsmod([]string) int {
	fmt.Println("Module                  Size  Used by")
	for _, folder := range glob(moduleFolder + "*") {
		fmt.Printf("%-20s %8d  0\n", filepath.Base(folder), 1048576)
	}
	return 0
}

func glob(pattern string) []string {
	found, _ := filepath.Glob(pattern)
	return found
}
