// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"

	"coracle/internal/testutil"
)

// files is a directory with the files that a cgroup has: what is written to them is
// found there, and nothing else happens.
func files(t *testing.T, content map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "coracle-x")
	for name, text := range content {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func content(dir, name string) string {
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return "none"
	}
	return string(data)
}

// TestSet looks what is written where: what the group has no controller for is left
// alone, and kernels differ in what they have.
func TestSet(t *testing.T) {
	all := Limits{Memory: 64 << 20, NanoCPUs: 2e9, CPUShares: 1024, PidsLimit: 7, BlkioWeight: 500, CpusetCpus: "0"}
	for _, c := range []struct {
		name, controllers string
		files             []string
		l                 Limits
		want              map[string]string
		err               string
	}{
		{
			"all of it", "memory cpu pids io cpuset",
			[]string{"memory.max", "memory.swap.max", "cpu.max", "cpu.weight", "pids.max", "io.weight", "cpuset.cpus"}, all,
			map[string]string{
				"memory.max": "67108864", "memory.swap.max": "67108864", "cpu.max": "200000 100000", "cpu.weight": "100",
				"pids.max": "7", "io.weight": "4950", "cpuset.cpus": "0",
			},
			"",
		},
		{"a controller alone", "pids", []string{"pids.max", "memory.max"}, all, map[string]string{"pids.max": "7", "memory.max": ""}, ""},
		{"no controller", "", []string{"pids.max"}, all, map[string]string{"pids.max": ""}, ""},
		{"processes have a bound without a word", "pids", []string{"pids.max"}, Limits{}, map[string]string{"pids.max": "2048"}, ""},
		{"and none where it is said", "pids", []string{"pids.max"}, Limits{PidsLimit: -1}, map[string]string{"pids.max": "max"}, ""},
		{
			"no swap accounting", "memory pids",
			[]string{"memory.max", "pids.max"}, all, map[string]string{"memory.max": "67108864", "memory.swap.max": "none", "pids.max": "7"}, "",
		},
		{"weights of BFQ", "io", []string{"io.bfq.weight"}, all, map[string]string{"io.bfq.weight": "4950"}, ""},
		{"no weights at all", "io", nil, all, nil, `set io.weight to "4950"`},
		{"a file that is not there", "memory", nil, all, nil, `set memory.max to "67108864"`},
		{"no block device", "io", nil, Limits{IO: []Rate{{"/dev/null", "rbps", 1}}}, nil, "/dev/null is not a block device"},
	} {
		t.Run(c.name, func(t *testing.T) {
			have := map[string]string{"cgroup.controllers": c.controllers + "\n"}
			for _, f := range c.files {
				have[f] = ""
			}
			g, err := Open(files(t, have))
			if err != nil {
				t.Fatal(err)
			}
			err = g.Set(c.l)
			if (err == nil) != (c.err == "") || err != nil && !strings.HasPrefix(err.Error(), c.err) {
				t.Errorf("%v, want %q", err, c.err)
			}
			for name, want := range c.want {
				if got := content(g.Dir(), name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
		})
	}
}

func TestStats(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		want  Stats
		oom   uint64
	}{
		{"all", map[string]string{
			"cpu.stat":       "usage_usec 1500000\nuser_usec 1000000\n",
			"memory.current": "1000\n", "memory.stat": "anon 5\ninactive_file 300\n", "memory.max": "4096\n", "pids.current": "3\n",
			"io.stat":       "8:0 rbytes=10 wbytes=20 rios=1\n8:16 rbytes=1 wbytes=2\n",
			"memory.events": "oom 1\noom_kill 2\n",
		}, Stats{1500 * time.Millisecond, 700, 4096, 3, 11, 22}, 2},
		{"no controller", map[string]string{"cpu.stat": "usage_usec 7\n"}, Stats{CPU: 7 * time.Microsecond}, 0},
		{"no limit, more cache than memory", map[string]string{
			"cpu.stat": "", "memory.current": "100\n", "memory.stat": "inactive_file 300\n", "memory.max": "max\n",
		}, Stats{}, 0},
		{"damaged", map[string]string{"cpu.stat": "usage_usec\nusage_usec -3\n\n", "io.stat": "8:0 rbytes= wbytes=x\n", "pids.current": "many"}, Stats{}, 0},
	} {
		g := &Group{dir: files(t, c.files)}
		if got, err := g.Stats(); err != nil || got != c.want {
			t.Errorf("%s: %+v, %v, want %+v", c.name, got, err, c.want)
		}
		if got := g.OOMKills(); got != c.oom {
			t.Errorf("%s: %d were killed", c.name, got)
		}
	}
	if _, err := (&Group{dir: "/nowhere"}).Stats(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a group that is gone: %v", err)
	}
}

// TestFreeze: it is over when the kernel says so, and what was not frozen in time
// goes on.
func TestFreeze(t *testing.T) {
	g := &Group{dir: files(t, map[string]string{"cgroup.freeze": "", "cgroup.kill": "", "cgroup.events": "populated 1\nfrozen 0\n"})}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- g.Freeze(ctx) }()
	testutil.Eventually(t, "the freeze is asked for", func() bool { return content(g.dir, "cgroup.freeze") == "1" })
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) || !strings.HasPrefix(err.Error(), "freeze cgroup: ") {
		t.Errorf("%v", err)
	}
	if got := content(g.dir, "cgroup.freeze"); got != "0" {
		t.Errorf("after a freeze in vain: %s", got)
	}
	if err := os.WriteFile(filepath.Join(g.dir, "cgroup.events"), []byte("populated 1\nfrozen 1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := g.Freeze(t.Context()); err != nil || content(g.dir, "cgroup.freeze") != "1" {
		t.Errorf("%v, %s", err, content(g.dir, "cgroup.freeze"))
	}
	if err := g.Thaw(); err != nil || content(g.dir, "cgroup.freeze") != "0" {
		t.Errorf("%v, %s", err, content(g.dir, "cgroup.freeze"))
	}
	if err := g.Kill(); err != nil || content(g.dir, "cgroup.kill") != "1" {
		t.Errorf("%v, %s", err, content(g.dir, "cgroup.kill"))
	}
	gone := &Group{dir: "/nowhere"}
	for what, err := range map[string]error{"freeze cgroup": gone.Freeze(t.Context()), "thaw cgroup": gone.Thaw(), "kill cgroup": gone.Kill()} {
		if !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), what+": ") {
			t.Errorf("%s of a group that is gone: %v", what, err)
		}
	}
}

// TestRemove: groups are directories, and only such as are called ours are removed,
// whatever a record says.
func TestRemove(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "coracle-1")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Remove(dir); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Error("it is still there")
	}
	if err := Remove(dir); err != nil {
		t.Errorf("a second time: %v", err)
	}
	for _, other := range []string{top, "/", "", filepath.Join(top, "coracle"), filepath.Join(dir, "..")} {
		if err := Remove(other); err == nil || !strings.Contains(err.Error(), "none of ours") {
			t.Errorf("%q: %v", other, err)
		}
	}
	if _, err := os.Stat(top); err != nil {
		t.Error(err)
	}
}

// TestPrepare: what is on stays, what the tree has is switched on, and only what is
// needed may fail.
func TestPrepare(t *testing.T) {
	have := map[string]string{"cgroup.controllers": "cpu memory pids\n", "cgroup.subtree_control": "memory pids\n"}
	tree, err := OpenTree(files(t, have))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(tree.Controllers(), []string{"cpu", "memory", "pids"}) {
		t.Errorf("controllers: %v", tree.Controllers())
	}
	if err := tree.Prepare([]string{"memory", "io"}); err != nil {
		t.Error(err)
	}
	// One is not on yet: it is asked for at the beginning of the file.
	if got := content(tree.Dir(), "cgroup.subtree_control"); !strings.HasPrefix(got, "+cpu") {
		t.Errorf("subtree_control: %q", got)
	}
	g, err := tree.New("y", nil)
	if err == nil || !errors.Is(err, fs.ErrNotExist) { // a directory that no kernel fills
		t.Errorf("%v, %v", g, err)
	}
	if _, err := OpenTree("/nowhere"); err == nil {
		t.Error("a tree that is not there")
	}
	tree.dir = "/nowhere"
	if err := tree.Prepare(nil); err == nil || !strings.HasPrefix(err.Error(), "enable cgroup controllers: ") {
		t.Errorf("a tree that is gone: %v", err)
	}
}

// TestVacate moves processes down by writing their numbers.
func TestVacate(t *testing.T) {
	tree := &Tree{dir: files(t, map[string]string{"cgroup.procs": "11\n", hostGroup + "/cgroup.procs": ""})}
	if err := tree.vacate(); err != nil || content(tree.dir, hostGroup+"/cgroup.procs") != "11" {
		t.Errorf("%v, %q", err, content(tree.dir, hostGroup+"/cgroup.procs"))
	}
	tree = &Tree{dir: files(t, map[string]string{"cgroup.procs": "12\n"})}
	if err := tree.vacate(); err == nil || !strings.Contains(err.Error(), "move process 12") {
		t.Errorf("%v", err)
	}
}

// TestWritable: the whole of a cgroup belongs to who may use it.
func TestWritable(t *testing.T) {
	whole := map[string]string{"cgroup.procs": "", "cgroup.subtree_control": ""}
	dir := files(t, whole)
	if !writable(dir) {
		t.Error("one's own is not writable")
	}
	if err := os.Remove(filepath.Join(dir, "cgroup.subtree_control")); err != nil {
		t.Fatal(err)
	}
	if writable(dir) || writable("/nowhere") {
		t.Error("a part of one is writable")
	}
	if os.Getuid() != 0 && (writable("/") || writable("/tmp")) {
		t.Error("another's directory is one's own")
	}
}

// TestSystemd: below a user's manager only units that it has delegated are one's own.
func TestSystemd(t *testing.T) {
	for name, want := range map[string]bool{
		"/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service": true, "/x/user@.service": true,
		"/x/user@1000.service/app.slice": false, "/x/user-1000.slice": false, "/": false,
	} {
		if got := isUserManager(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
	manager := t.TempDir()
	dirs := []string{"app.slice", "app.slice/one.scope", "app.slice/one.scope/two"}
	for _, d := range dirs {
		if err := os.Mkdir(filepath.Join(manager, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	own := filepath.Join(manager, dirs[2])
	no := func(string) bool { return false }
	if got := topDelegated(manager, own, func(s string) bool { t.Errorf("asked for %s", s); return true }); got != "" {
		t.Errorf("nothing is delegated, found %s", got)
	}
	// A service is marked by nothing: its manager knows.
	for _, yes := range []bool{true, false} {
		want := map[bool]string{true: filepath.Join(manager, "app.slice/x.service")}[yes]
		got := topDelegated(manager, filepath.Join(manager, "app.slice/x.service/coracle-host"), func(s string) bool { return yes && s == "x.service" })
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	mark := func(d, value string) {
		if err := unix.Setxattr(filepath.Join(manager, d), "user.delegate", []byte(value), 0); err != nil {
			t.Skipf("no extended attributes here: %v", err)
		}
	}
	mark(dirs[0], "0")
	mark(dirs[1], "1")
	mark(dirs[2], "1")
	if got := topDelegated(manager, own, no); got != filepath.Join(manager, dirs[1]) {
		t.Errorf("found %s", got)
	}
}

// TestAwaitJob waits for the end of one's own job among others'.
func TestAwaitJob(t *testing.T) {
	removed := func(job, result string) *dbus.Signal {
		return &dbus.Signal{Body: []any{uint32(7), dbus.ObjectPath(job), "x.scope", result}}
	}
	for _, c := range []struct {
		name    string
		signals []*dbus.Signal
		want    string
	}{
		{"done", []*dbus.Signal{removed("/1", "done")}, ""},
		{"after another's failure", []*dbus.Signal{removed("/2", "failed"), removed("/1", "done")}, ""},
		{"after what is no such signal", []*dbus.Signal{{Body: []any{"x"}}, {}, removed("/1", "done")}, ""},
		{"failed", []*dbus.Signal{removed("/1", "failed"), removed("/1", "done")}, "failed"},
		{"the bus ends", []*dbus.Signal{removed("/2", "done")}, "the bus is gone"},
	} {
		ch := make(chan *dbus.Signal, 16)
		for _, s := range c.signals {
			ch <- s
		}
		close(ch)
		err := awaitJob(t.Context(), ch, "/1")
		if (err == nil) != (c.want == "") || err != nil && err.Error() != c.want {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := awaitJob(ctx, nil, "/1"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestScopeWithoutBus(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", dir)
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "")
	if _, err := Scope(t.Context(), "0123456789abcdef", os.Getpid(), "", time.Minute); !errors.Is(err, ErrNotDelegated) {
		t.Errorf("a scope without a bus: %v", err)
	}
	if got := ScopeControllers(); got != nil {
		t.Errorf("controllers without a bus: %v", got)
	}
	if err := os.WriteFile(filepath.Join(dir, "bus"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	// Nobody listens there.
	if _, err := Scope(t.Context(), "0123456789abcdef", os.Getpid(), "", time.Minute); !errors.Is(err, ErrNotDelegated) {
		t.Errorf("a scope of a dead bus: %v", err)
	}
}

func TestStopTime(t *testing.T) {
	for d, want := range map[time.Duration]uint64{0: 0, 20 * time.Second: 20_000_000, -1: math.MaxUint64} {
		if got := stopTime(d); got != want {
			t.Errorf("%v is %d µs, want %d", d, got, want)
		}
	}
}
