// crictl as far as host scripts ask it: `crictl --runtime-endpoint unix:///PATH info`.
//
// The real one cannot be had here: no package of Debian 12, and the module sigs.k8s.io/cri-tools is not served by every
// Go module proxy. What it says comes from the daemon that runs, by the same call of the same interface (CRI, Status,
// verbose); only this client is the lab's own.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

func main() {
	args := os.Args[1:]
	if len(args) != 3 || args[0] != "--runtime-endpoint" || args[2] != "info" {
		fail(fmt.Errorf("only `--runtime-endpoint unix:///PATH info` is played, not %q", args))
	}
	connection, err := grpc.NewClient(args[1], grpc.WithTransportCredentials(insecure.NewCredentials()))
	fail(err)
	patience, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	answer, err := cri.NewRuntimeServiceClient(connection).Status(patience, &cri.StatusRequest{Verbose: true})
	fail(err)
	shown := map[string]any{"status": answer.GetStatus()}
	for key, text := range answer.GetInfo() {
		var value any
		if json.Unmarshal([]byte(text), &value) != nil {
			value = text
		}
		shown[key] = value
	}
	text, err := json.MarshalIndent(shown, "", "  ")
	fail(err)
	fmt.Println(string(text))
}

func fail(err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "crictl: %v\n", err)
		os.Exit(1)
	}
}
