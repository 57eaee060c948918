package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

const containerLibrary = "/usr/lib/x86_64-linux-gnu/libnvidia-container.so.1"

// ctk says its version and writes a CDI specification; it configures no runtime here, because nobody asks it to.
func ctk(args []string) int {
	switch words := strings.Join(args, " "); {
	case words == "--version" || words == "-v":
		fmt.Printf("NVIDIA Container Toolkit CLI version %s\ncommit: 0000000\n", firstLine("/usr/share/nvidia-container-toolkit/version"))
		return 0
	case strings.HasPrefix(words, "cdi generate"):
		if status, _ := trouble(); status != 0 {
			return fail(1, `level=error msg="failed to generate CDI spec: failed to initialize NVML: ERROR_LIBRARY_NOT_FOUND"`)
		}
		fmt.Println("cdiVersion: 0.5.0\nkind: nvidia.com/gpu")
		return 0
	case words == "cdi list":
		return 0
	}
	return fail(1, "No help topic for '%s'", strings.Join(args, " "))
}

func containerCli(args []string) int {
	if len(args) > 0 && (args[0] == "--version" || args[0] == "-V") {
		fmt.Printf("cli-version: %s\nlib-version: %s\n", firstLine(containerLibrary), firstLine(containerLibrary))
		return 0
	}
	refuseWithoutDriver()
	if len(args) == 0 || args[len(args)-1] != "info" {
		return fail(64, "Usage: nvidia-container-cli [OPTION...] COMMAND [ARG...]")
	}
	fmt.Printf("NVRM version:   %s\nCUDA version:   13.0\n", loadedVersion())
	for number, one := range held(hardware().Cards) {
		fmt.Printf("\nDevice Index:   %d\nModel:          %s\nGPU UUID:       %s\n", number, one.Name, one.Uuid)
	}
	return 0
}

func refuseWithoutDriver() {
	if libraryVersion() == "" {
		fail(1, "nvidia-container-cli: initialization error: load library failed: libnvidia-ml.so.1: cannot open shared object file: no such file or directory")
	}
	if loadedVersion() == "" {
		fail(1, "nvidia-container-cli: initialization error: nvml error: driver not loaded")
	}
}

// containerRuntime edits the container's specification as its namesake does, and then is the real runc.
func containerRuntime(args []string) int {
	bundle, creates := ".", false
	for index, word := range args {
		creates = creates || word == "create" || word == "run"
		if (word == "--bundle" || word == "-b") && index+1 < len(args) {
			bundle = args[index+1]
		}
	}
	if creates {
		if err := edit(filepath.Join(bundle, "config.json")); err != nil {
			return fail(1, "nvidia-container-runtime: %v", err)
		}
	}
	path, err := exec.LookPath("runc")
	if err != nil {
		return fail(1, "nvidia-container-runtime: no runc binary found")
	}
	return fail(1, "%v", syscall.Exec(path, append([]string{"runc"}, args...), os.Environ()))
}

type object = map[string]any

func edit(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var spec object
	if err := json.Unmarshal(text, &spec); err != nil {
		return err
	}
	dropLimits(spec)
	if wantsCards(spec) {
		refuseWithoutDriver()
		spec["mounts"] = append(spec["mounts"].([]any), injected()...)
	}
	text, _ = json.Marshal(spec)
	return os.WriteFile(path, text, 0o644)
}

func wantsCards(spec object) bool {
	process, _ := spec["process"].(object)
	variables, _ := process["env"].([]any)
	for _, one := range variables {
		if value, found := strings.CutPrefix(fmt.Sprint(one), "NVIDIA_VISIBLE_DEVICES="); found {
			return value != "" && value != "void" && value != "none"
		}
	}
	return false
}

// dropLimits: the hosts of the lab have no controllers for them, and runc takes that for an error.
func dropLimits(spec object) {
	controllers := firstLine("/sys/fs/cgroup/cgroup.controllers")
	linux, _ := spec["linux"].(object)
	resources, _ := linux["resources"].(object)
	for key, controller := range map[string]string{"cpu": "cpu", "memory": "memory", "pids": "pids", "blockIO": "io"} {
		if !strings.Contains(controllers, controller) {
			delete(resources, key)
		}
	}
}

func injected() []any {
	paths := append(glob("/dev/nvidia*"), bootFolder, filepath.Dir(hardwareFile))
	library, _ := filepath.EvalSymlinks(libraryFile)
	mounts := []any{bound(library, libraryFile)}
	if exists("/usr/bin/nvidia-smi") {
		mounts = append(mounts, bound("/opt/gpu-lab/standin", "/usr/bin/nvidia-smi"))
	}
	for _, path := range paths {
		mounts = append(mounts, bound(path, path))
	}
	return mounts
}

func bound(from, to string) object {
	return object{"destination": to, "type": "bind", "source": from, "options": []string{"rbind", "ro"}}
}
