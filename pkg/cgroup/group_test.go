// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"coracle/internal/testutil"
)

// TestGroup goes through the life of a group in the cgroup that this test was
// started in, if that is delegated. The group has this process's name: another run in
// the same cgroup has its own. To root all groups belong, and those of others are not
// for a test to move processes in.
func TestGroup(t *testing.T) {
	if err := testutil.Unprivileged(); err != nil {
		t.Skip(err)
	}
	tree, err := Find()
	if errors.Is(err, ErrNotDelegated) {
		t.Skip("no cgroup is delegated to this user")
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := tree.Prepare(nil); err != nil {
		t.Fatal(err)
	}
	g, err := tree.New(fmt.Sprintf("test-%d", os.Getpid()), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	defer func() {
		if err := Remove(g.Dir()); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(g.Dir()); !errors.Is(err, os.ErrNotExist) {
			t.Error("the group is still there")
		}
	}()
	if err := g.Set(Limits{Memory: 64 << 20, PidsLimit: 50}); err != nil {
		t.Fatal(err)
	}
	busy := exec.Command("/bin/sh", "-c", "while :; do :; done")
	busy.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: g.FD()}
	if err := busy.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	usesCPU(ctx, t, g)
	if err := g.Freeze(ctx); err != nil {
		t.Fatal(err)
	}
	before, err := g.Stats()
	if err != nil {
		t.Fatal(err)
	}
	// What is frozen is marked so for everybody, and does not run.
	if data, _ := os.ReadFile(g.Dir() + "/cgroup.events"); !strings.Contains(string(data), "frozen 1") {
		t.Errorf("cgroup.events of a frozen group: %s", data)
	}
	if after, err := g.Stats(); err != nil || after.CPU != before.CPU {
		t.Errorf("a frozen group used %v of CPU, %v", after.CPU-before.CPU, err)
	}
	if err := g.Thaw(); err != nil {
		t.Fatal(err)
	}
	usesCPU(ctx, t, g)
	if err := g.Freeze(ctx); err != nil { // what is frozen can be killed
		t.Fatal(err)
	}
	if err := g.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := busy.Wait(); err == nil {
		t.Error("the process ended well")
	}
}

// usesCPU waits until the group has used more CPU than now.
func usesCPU(ctx context.Context, t *testing.T, g *Group) {
	t.Helper()
	first, err := g.Stats()
	for now := first; err == nil && now.CPU == first.CPU; now, err = g.Stats() {
		if ctx.Err() != nil {
			t.Fatal("the group uses no CPU")
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}
