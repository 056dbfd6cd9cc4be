// SPDX-License-Identifier: Apache-2.0

// Testcontainers does what testcontainers for Go is used for, and checks what it
// gets. There is the image busybox, and a reaper. It removes nothing itself, and ends
// with 1 after a wrong answer.
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/exec"
	"github.com/testcontainers/testcontainers-go/network"
	"github.com/testcontainers/testcontainers-go/wait"
)

func main() {
	if err := daily(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func daily(ctx context.Context) error {
	n, err := network.New(ctx)
	if err != nil {
		return err
	}
	server, err := testcontainers.GenericContainer(ctx, testcontainers.GenericContainerRequest{Started: true, ContainerRequest: testcontainers.ContainerRequest{
		Image: "busybox", Cmd: []string{"sh", "-c", "echo ready; exec httpd -f -p 8080 -h /etc"}, ExposedPorts: []string{"8080/tcp"},
		Networks: []string{n.Name}, NetworkAliases: map[string][]string{n.Name: {"server"}}, WaitingFor: wait.ForHTTP("/passwd").WithPort("8080/tcp"),
	}})
	if err != nil {
		return err
	}
	at, err := server.Endpoint(ctx, "http")
	if err != nil {
		return err
	}
	page, err := http.Get(at + "/passwd")
	if err != nil {
		return err
	}
	defer page.Body.Close()
	if text, err := io.ReadAll(page.Body); err != nil || !strings.HasPrefix(string(text), "root:") {
		return fmt.Errorf("the page is %q: %w", text, err)
	}
	dir := filepath.Join(os.Getenv("HOME"), "go-context")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM busybox\nRUN echo built > /b\nCMD [\"sleep\", \"1000\"]\n"), 0o644); err != nil {
		return err
	}
	built, err := testcontainers.GenericContainer(ctx, testcontainers.GenericContainerRequest{Started: true, ContainerRequest: testcontainers.ContainerRequest{
		FromDockerfile: testcontainers.FromDockerfile{Context: dir}, Networks: []string{n.Name},
	}})
	if err != nil {
		return err
	}
	for command, want := range map[string]string{"cat /b; exit 3": "3 built\n", "wget -qO- http://server:8080/passwd | head -n 1 | cut -c 1-5": "0 root:\n"} {
		code, out, err := built.Exec(ctx, []string{"sh", "-c", command}, exec.Multiplexed())
		if err != nil {
			return err
		}
		text, err := io.ReadAll(out)
		if got := fmt.Sprintf("%d %s", code, text); got != want || err != nil {
			return fmt.Errorf("%s: %q: %w", command, got, err)
		}
	}
	return built.CopyToContainer(ctx, []byte("copied"), "/copied", 0o644)
}
