// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"coracle/pkg/cgroup"
	"coracle/pkg/container"
	"coracle/pkg/hint"
)

// drawnGroup is a directory with the files of a cgroup that has the controllers.
func drawnGroup(t *testing.T, controllers string) *cgroup.Group {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"cgroup.controllers": controllers + "\n", "cgroup.freeze": "0", "cgroup.events": "populated 1\nfrozen 1\n", "cgroup.kill": "",
		"pids.max": "", "memory.max": "", "memory.swap.max": "max", "memory.events": "oom 0\noom_kill 0\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	g, err := cgroup.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// holds is what a file of the group holds.
func holds(t *testing.T, g *cgroup.Group, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(g.Dir(), file))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

func newBounds(t *testing.T, g *cgroup.Group, l cgroup.Limits) *bounds {
	t.Helper()
	book, ended := newLedger(t, container.Record{}), make(chan struct{})
	t.Cleanup(func() { close(ended) })
	return &bounds{book: book, first: &first{book: book}, ended: ended, group: g, limits: l}
}

func TestLimits(t *testing.T) {
	b := newBounds(t, drawnGroup(t, "memory pids"), cgroup.Limits{Memory: 64 << 20, PidsLimit: 50})
	if err := b.apply(); err != nil || holds(t, b.group, "pids.max") != "50" || holds(t, b.group, "memory.max") != "67108864" {
		t.Errorf("%v: %s processes, %s bytes", err, holds(t, b.group, "pids.max"), holds(t, b.group, "memory.max"))
	}
	if err := b.change(cgroup.Limits{Memory: 32 << 20, PidsLimit: 77}); err != nil || holds(t, b.group, "pids.max") != "77" {
		t.Errorf("%v: %s processes after an update", err, holds(t, b.group, "pids.max"))
	}
	if l := b.current(); l.PidsLimit != 77 || l.Memory != 32<<20 {
		t.Errorf("the next start has %+v", l)
	}
	if err := os.RemoveAll(b.group.Dir()); err != nil {
		t.Fatal(err)
	}
	if err := b.change(cgroup.Limits{PidsLimit: 9}); err == nil || b.current().PidsLimit != 77 {
		t.Errorf("%v: limits that could not be set are in force", err)
	}
	if b.apply() == nil {
		t.Error("goes on without the limits that were asked for")
	}
	b.limits = cgroup.Limits{}
	if err := b.apply(); err != nil {
		t.Error("does not go on without limits that nobody asked for: ", err)
	}
}

func TestGoesOnWithoutACgroup(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none")
	b := newBounds(t, nil, cgroup.Limits{})
	for _, tree := range []string{"", missing} {
		if err := b.open(tree); err != nil || b.group != nil || b.book.now().Cgroup != "" {
			t.Errorf("%q: %v, group %v", tree, err, b.group)
		}
	}
	if err := newBounds(t, nil, cgroup.Limits{Memory: 1 << 20}).open(missing); err == nil {
		t.Error("a limit was asked for, and there is no cgroup for it")
	}
	b.kill()
	b.close()
	if err := b.apply(); err != nil || b.oomKilled() {
		t.Error("without a cgroup: ", err)
	}
}

func TestPause(t *testing.T) {
	b := newBounds(t, drawnGroup(t, ""), cgroup.Limits{})
	if err := b.unpause(); err == nil || !strings.HasSuffix(err.Error(), " is not paused") {
		t.Errorf("unpause of one that runs: %v", err)
	}
	b.thaw() // does nothing
	if err := b.pause(); err != nil || holds(t, b.group, "cgroup.freeze") != "1" || written(t, b.book).Status != container.Paused {
		t.Fatalf("%v: it is %s", err, written(t, b.book).Status)
	}
	if err := b.pause(); err == nil || !strings.HasSuffix(err.Error(), " is already paused") {
		t.Errorf("pause again: %v", err)
	}
	b.thaw()
	if holds(t, b.group, "cgroup.freeze") != "0" || written(t, b.book).Status != container.Running {
		t.Errorf("after a thaw it is %s", written(t, b.book).Status)
	}
	if got := actions(t, b.book); !slices.Equal(got, []string{"create", "pause", "unpause"}) {
		t.Errorf("events %q", got)
	}
	b.kill()
	if holds(t, b.group, "cgroup.kill") != "1" {
		t.Error("nothing is killed")
	}
	if err := os.Remove(filepath.Join(b.group.Dir(), "cgroup.freeze")); err != nil {
		t.Fatal(err)
	}
	if err := b.pause(); err == nil || b.book.isPaused() {
		t.Errorf("%v: paused without a freezer", err)
	}
	err := newBounds(t, nil, cgroup.Limits{}).pause()
	if err == nil || !strings.Contains(err.Error(), "cannot pause container") || !strings.Contains(hint.Of(err), "delegate a cgroup") {
		t.Errorf("without a cgroup: %v (%s)", err, hint.Of(err))
	}
}

func TestOOMKills(t *testing.T) {
	b := newBounds(t, drawnGroup(t, "memory"), cgroup.Limits{})
	for n, want := range []bool{false, true, false, true} { // kills so far: 0 1 1 2
		if err := os.WriteFile(filepath.Join(b.group.Dir(), "memory.events"), []byte("oom_kill "+strconv.Itoa((n+1)/2)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := b.oomKilled(); got != want {
			t.Errorf("look %d: %t", n, got)
		}
	}
	if got := actions(t, b.book); !slices.Equal(got, []string{"create", "oom", "oom"}) {
		t.Errorf("events %q", got)
	}
}

func TestLimitsWithoutControllers(t *testing.T) {
	all := cgroup.Limits{PidsLimit: 10, CpusetCpus: "0"}
	for _, c := range []struct {
		name        string
		controllers string // "-" is no cgroup
		limits      cgroup.Limits
		rlimits     []specs.POSIXRlimit
		bounded     bool // the number of processes, here
		affinity    bool
	}{
		{"none asked for", "-", cgroup.Limits{}, nil, false, false},
		{"no cgroup", "-", all, nil, true, true},
		{"no such controllers", "memory", all, nil, true, true},
		{"all of them", "cpuset memory pids", all, nil, false, false},
		{"an rlimit that was asked for", "-", all, []specs.POSIXRlimit{{Type: "RLIMIT_NPROC", Soft: 3, Hard: 3}}, false, true},
		{"another rlimit", "-", all, []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 3, Hard: 3}}, true, true},
		{"no limit", "-", cgroup.Limits{PidsLimit: -1}, nil, false, false},
	} {
		var g *cgroup.Group
		if c.controllers != "-" {
			g = drawnGroup(t, c.controllers)
		}
		p := &specs.Process{Rlimits: slices.Clone(c.rlimits)}
		if err := newBounds(t, g, c.limits).otherwise(p); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		more := p.Rlimits[len(c.rlimits):]
		if bounded := len(more) == 1 && more[0].Type == "RLIMIT_NPROC" && more[0].Soft > 10+stageThreads && more[0].Hard == more[0].Soft; bounded != c.bounded {
			t.Errorf("%s: rlimits %v", c.name, p.Rlimits)
		}
		if (p.ExecCPUAffinity != nil) != c.affinity {
			t.Errorf("%s: affinity %v", c.name, p.ExecCPUAffinity)
		}
	}
}

// drawnProc is a /proc of processes with these children: each has ten KiB for its
// number, half of them shared memory.
func drawnProc(t *testing.T, children map[int][]int) string {
	t.Helper()
	proc := t.TempDir()
	for pid := range maps.Keys(children) {
		dir := filepath.Join(proc, strconv.Itoa(pid))
		var list string
		for _, c := range children[pid] {
			list += strconv.Itoa(c) + " "
		}
		status := "Name:\tit\nNSpid:\t" + strconv.Itoa(pid) + "\t" + strconv.Itoa(pid+1000) + "\t1\nVmRSS:\t9999999 kB\nRssAnon:\t " + strconv.Itoa(5*pid) +
			" kB\nRssFile:\t 777 kB\nRssShmem:\t" + strconv.Itoa(5*pid) + " kB\n"
		for name, text := range map[string]string{"status": status, "task/1/children": list, "task/2/children": ""} {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return proc
}

func TestMemoryOfAll(t *testing.T) {
	proc := drawnProc(t, map[int][]int{1: {2, 3}, 2: nil, 3: {4, 99}, 4: nil, 50: nil}) // 99 has ended, 50 is a stranger
	list := resident(proc, 1, nil)
	slices.SortFunc(list, func(a, b usage) int { return a.pid - b.pid })
	if want := []usage{{1001, 10 << 10}, {1002, 20 << 10}, {1003, 30 << 10}, {1004, 40 << 10}}; !slices.Equal(list, want) {
		t.Errorf("%v, want %v", list, want)
	}
	if sum, largest := total(list); sum != 100<<10 || largest.pid != 1004 {
		t.Errorf("%d bytes, most has %+v", sum, largest)
	}
	if sum, largest := total(resident(proc, 77, nil)); sum != 0 || largest.pid != 0 {
		t.Errorf("of nobody: %d, %+v", sum, largest)
	}
}

// TestOwnMemory reads the real /proc.
func TestOwnMemory(t *testing.T) {
	sum, _ := total(resident("/proc", os.Getpid(), nil))
	if sum < 1<<20 || sum > 1<<34 {
		t.Errorf("this process has %d bytes", sum)
	}
}
