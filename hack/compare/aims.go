// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	emptyProgram = "an empty Go program"
	crunParallel = "crun: 32 of run, 8 at a time"
)

// aims are how many times the time of another program coracle may take, by row
// and program.
var aims = map[[2]string]float64{
	{"version", emptyProgram}:  2,
	{"ps", emptyProgram}:       2,
	{"images", emptyProgram}:   2,
	{"run", "crun run"}:        1.5,
	{"exec", "crun exec"}:      1.2,
	{"parallel", crunParallel}: 2,

	{"compose-up", oneContainer}: 3,
	{"compose-ps", tenListed}:    2,
}

// aimed says whether a ratio is what is aimed at, where something is.
func (b *bench) aimed(row, program string, times float64) string {
	aim, ok := aims[[2]string{row, program}]
	switch {
	case !ok:
		return ""
	case times <= aim:
		return fmt.Sprintf(" (aim %.1f: reached)", aim)
	}
	b.missed = true
	return fmt.Sprintf(" (aim %.1f: not reached)", aim)
}

// starting prints what a start costs besides time: page faults, which weigh
// differently from host to host, and packages with something to initialise.
func (b *bench) starting() error {
	for _, v := range []variant{
		{"coracle version", []string{filepath.Join(b.dir, "coracle"), "version"}, false},
		{emptyProgram, []string{filepath.Join(b.dir, "nothing")}, false},
	} {
		cmd := b.command(v.args...)
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
		usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
		if !ok {
			return fmt.Errorf("%s: no resource usage", v.name)
		}
		cmd = b.command(v.args...)
		cmd.Env = append(cmd.Env, "GODEBUG=inittrace=1")
		var said bytes.Buffer
		cmd.Stderr = &said
		if err := cmd.Run(); err != nil {
			fmt.Fprint(os.Stderr, said.String())
			return fmt.Errorf("%s: %w", v.name, err)
		}
		inits := 0
		for line := range strings.Lines(said.String()) {
			if strings.HasPrefix(line, "init ") {
				inits++
			}
		}
		fmt.Fprintf(b.table, "starting\t%s\t%d page faults\t%d inits\n", v.name, usage.Minflt, inits)
	}
	return nil
}
