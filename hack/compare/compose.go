// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// What compose is aimed at.
const (
	oneContainer = "coracle run -d, one"
	tenListed    = "coracle ps, ten running"
)

// compose measures a project of ten services that do not depend on each other: up, the
// list of it while it is up, and down, each beside what does the same without a file.
func (b *bench) compose() error {
	dir := filepath.Join(b.home, "ten")
	var text strings.Builder
	text.WriteString("services:\n")
	for i := range 10 {
		fmt.Fprintf(&text, "  s%d: {image: busybox, command: sleep 1000, stop_grace_period: 0s}\n", i)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(text.String()), 0o644); err != nil {
		return err
	}
	coracle := filepath.Join(b.dir, "coracle")
	client := filepath.Join(os.Getenv("CORACLE_CLIENTS"), "compose")
	_, missing := os.Stat(client)
	in := func(program, name string, skip bool) variants {
		at := "cd " + dir + " && " + program
		return variants{{name + " up -d", shell(at + " up -d"), skip}, {name + " ps", shell(at + " ps"), skip}, {name + " down", shell(at + " down -t 0"), skip}}
	}
	rows := [...]string{"compose-up", "compose-ps", "compose-down"}
	var results [len(rows)][]*timed
	var all []variants
	for _, v := range []variants{
		in(coracle+" compose", "coracle compose", false),
		{
			{oneContainer, shell(coracle + " run -d --name one busybox sleep 1000"), false}, {"coracle ps, one running", shell(coracle + " ps"), false},
			{"coracle rm -f, one", shell(coracle + " rm -f one"), false},
		},
		{
			{"coracle run -d, ten at once", shell("for i in $(seq 10); do " + coracle + " run -d --name n$i busybox sleep 1000 & done; wait"), false},
			{tenListed, shell(coracle + " ps"), false}, {"coracle rm -f, ten", shell(coracle + " rm -f $(seq -f n%g 10)"), false},
		},
		in(coracle+" api "+client, "docker compose over coracle api", missing != nil),
		in("podman-compose", "podman-compose", !have("podman-compose")),
	} {
		if v[0].skip {
			continue
		}
		all = append(all, v)
		for i := range rows {
			results[i] = append(results[i], &timed{name: v[i].name})
		}
	}
	for round := range b.rounds + 1 { // the first is to warm up
		for i, v := range all {
			for step := range rows {
				results[step][i].run(b, v[step].args, round > 0)
			}
		}
	}
	for i, row := range rows {
		if err := b.print(row, results[i]); err != nil {
			return err
		}
	}
	return nil
}

// variants are the steps of one program.
type variants [3]variant
