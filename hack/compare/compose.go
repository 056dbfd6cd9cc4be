// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// composeRows are a project of ten services that do not depend on each other, up and
// down, beside ten containers without a file; and the list of its containers.
func (b *bench) composeRows(coracle string) []row {
	dir := filepath.Join(b.home, "ten")
	var text strings.Builder
	text.WriteString("services:\n")
	for i := range 10 {
		fmt.Fprintf(&text, "  s%d: {image: busybox, command: sleep 1000, stop_grace_period: 0s}\n", i)
	}
	_ = os.MkdirAll(dir, 0o755)
	_ = os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(text.String()), 0o644)
	client := filepath.Join(os.Getenv("CORACLE_CLIENTS"), "compose")
	_, missing := os.Stat(client)
	upDown := func(program string) []string {
		return shell(fmt.Sprintf("cd %s && %s up -d && %s down -t 0", dir, program, program))
	}
	names := "$(seq -f n%g 10)"
	return []row{
		{"compose", []variant{
			{"coracle compose up -d of ten, down", upDown(coracle + " compose"), false},
			{"coracle: 10 of run -d at once, rm -f", shell("for i in $(seq 10); do " + coracle + " run -d --name n$i busybox sleep 1000 & done; wait; " + coracle + " rm -f " + names), false},
			{"docker compose over coracle api", upDown(coracle + " api " + client), missing != nil},
			{"podman-compose", upDown("podman-compose"), !have("podman-compose")},
		}},
		{"compose-ps", []variant{
			{"coracle compose ps", shell("cd " + dir + " && " + coracle + " compose ps"), false},
			{"coracle ps", []string{coracle, "ps"}, false},
			{"docker compose ps over coracle api", shell("cd " + dir + " && " + coracle + " api " + client + " ps"), missing != nil},
			{"podman-compose ps", shell("cd " + dir + " && podman-compose ps"), !have("podman-compose")},
		}},
	}
}
