package main

import (
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// trouble is why nothing can be said of the cards: status and words; 0 when all is well.
func trouble() (int, string) {
	library, loaded := libraryVersion(), loadedVersion()
	switch {
	case library == "":
		return 12, "NVIDIA-SMI couldn't find libnvidia-ml.so library in your system. Please make sure that the NVIDIA " +
			"Display Driver is properly installed and present in your system.\nPlease also try adding directory that " +
			"contains libnvidia-ml.so to your system PATH."
	case loaded == "":
		return 9, "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the " +
			"latest NVIDIA driver is installed and running.\n"
	case loaded != library:
		short := strings.Join(strings.Split(library, ".")[:2], ".")
		return 18, "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: " + short
	case hardware().Lost:
		return 15, "Unable to determine the device handle for GPU0000:01:00.0: GPU is lost.  Reboot the system to " +
			"recover this GPU"
	case len(held(hardware().Cards)) == 0:
		return 6, "No devices were found"
	}
	return 0, ""
}

func smi(args []string) int {
	if status, words := trouble(); status != 0 {
		fmt.Println(words)
		return status
	}
	cards, query, style := held(hardware().Cards), "", ""
	for _, word := range args {
		switch {
		case word == "-L", word == "--list-gpus":
			for number, one := range cards {
				fmt.Printf("GPU %d: %s (UUID: %s)\n", number, one.Name, one.Uuid)
			}
			return 0
		case strings.HasPrefix(word, "--query-compute-apps="):
			return users()
		case strings.HasPrefix(word, "--query-gpu="):
			query = strings.TrimPrefix(word, "--query-gpu=")
		case strings.HasPrefix(word, "--format="):
			style = strings.TrimPrefix(word, "--format=")
		}
	}
	if query != "" {
		return table(cards, strings.Split(query, ","), style)
	}
	for number, one := range cards {
		fmt.Printf("| %3d  %-24s | %-16s | Driver Version: %s |\n", number, one.Name, one.Address, loadedVersion())
	}
	return 0
}

func users() int {
	for _, path := range glob("/run/gpu-lab/user-*") {
		pid := strings.TrimPrefix(path, "/run/gpu-lab/user-")
		if exists("/proc/" + pid) {
			fmt.Printf("%s, /usr/bin/use-card\n", pid)
		}
	}
	return 0
}

func table(cards []card, names []string, style string) int {
	if !strings.Contains(style, "csv") {
		return fail(2, `"--format=" must contain "csv"`)
	}
	for index := range names {
		names[index] = strings.TrimSpace(names[index])
		if _, known := fields(0, cards[0], style)[names[index]]; !known {
			fmt.Printf("Field %q is not a valid field to query.\n\n", names[index])
			return 2
		}
	}
	if !strings.Contains(style, "noheader") {
		fmt.Println(strings.Join(names, ", "))
	}
	for number, one := range cards {
		var line []string
		for _, name := range names {
			line = append(line, fields(number, one, style)[name])
		}
		fmt.Println(strings.Join(line, ", "))
	}
	return 0
}

func fields(number int, one card, style string) map[string]string {
	unit, mig := " MiB", "[N/A]"
	if strings.Contains(style, "nounits") {
		unit = ""
	}
	if one.Mig {
		mig = "Disabled"
	}
	address := "0000" + strings.ToUpper(one.Address)
	return map[string]string{
		"index": itoa(number), "uuid": one.Uuid, "gpu_uuid": one.Uuid, "name": one.Name, "gpu_name": one.Name,
		"driver_version": loadedVersion(), "pci.bus_id": address, "gpu_bus_id": address, "compute_cap": one.Compute,
		"memory.total": itoa(one.Memory) + unit, "mig.mode.current": mig, "persistence_mode": "Enabled",
		"count": itoa(len(held(hardware().Cards))),
	}
}

// persistenced holds the driver, as its real namesake does, until it is told to end.
func persistenced([]string) int {
	if status, _ := trouble(); status != 0 {
		return fail(1, "nvidia-persistenced failed to initialize. Check syslog for more details.")
	}
	return holdUntilTold()
}

func holdUntilTold() int {
	if err := holdCard(); err != nil {
		return fail(1, "%v", err)
	}
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM, syscall.SIGINT)
	<-told
	return 0
}

// useCard is somebody's computation, for tests of a card that is in use: so many seconds, or until it is told to end.
func useCard(args []string) int {
	note := "/run/gpu-lab/user-" + itoa(os.Getpid())
	os.WriteFile(note, nil, 0o644)
	defer os.Remove(note)
	if len(args) > 0 {
		seconds, _ := time.ParseDuration(args[0] + "s")
		time.AfterFunc(seconds, func() { syscall.Kill(os.Getpid(), syscall.SIGTERM) })
	}
	return holdUntilTold()
}
