// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// many makes 20,000 files.
const many = `mkdir /f && cd /f && for i in $(seq 200); do mkdir d$i; for j in $(seq 100); do echo "$i $j, and some text" >d$i/f$j; done; done`

// keepIDRounds are few: every one takes seconds, and with podman a minute.
const keepIDRounds = 3

// keepID prints what the first start of an image of 20,000 files takes with an id
// of its own, and what one after it does.
func (b *bench) keepID() error {
	tar := filepath.Join(b.home, "many.tar")
	if err := errors.Join(
		b.coracle("run", "--name", "many", "--network", "none", "busybox", "sh", "-ec", many),
		b.coracle("export", "-o", tar, "many"), b.coracle("rm", "many"), b.coracle("import", tar, "many"),
	); err != nil {
		return err
	}
	programs := []string{filepath.Join(b.dir, "coracle")}
	if have("podman") && b.command("podman", "import", tar, "many").Run() == nil {
		programs = append(programs, "podman")
	}
	for _, p := range programs {
		var first, second []time.Duration
		for i := range keepIDRounds {
			for _, to := range []*[]time.Duration{&first, &second} {
				began := time.Now()
				out, err := b.command(p, "run", "--rm", "--network", "none", "--userns=keep-id:uid="+strconv.Itoa(2000+i), "many", "true").CombinedOutput()
				if err != nil {
					fmt.Fprintf(b.table, "keep-id\t%s\tdoes not start: %.60q\n", filepath.Base(p), out)
					break
				}
				*to = append(*to, time.Since(began))
			}
		}
		for i, list := range [][]time.Duration{first, second} {
			if slices.Sort(list); len(list) > 0 {
				fmt.Fprintf(b.table, "keep-id\t%s run --userns=keep-id, 20,000 files, start %d\t%.2f s\t%.2f s\n",
					filepath.Base(p), i+1, list[len(list)/2].Seconds(), list[0].Seconds())
			}
		}
	}
	return nil
}
