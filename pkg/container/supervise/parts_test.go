// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"errors"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"coracle/pkg/box"
	"coracle/pkg/container"
	"coracle/pkg/container/control"
	"coracle/pkg/container/logfile"
	"coracle/pkg/ids"
	"coracle/pkg/network"
)

// TestTheLastStateIsTheLastWritten changes the state from many sides.
func TestTheLastStateIsTheLastWritten(t *testing.T) {
	l := newLedger(t, container.Record{})
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			for range 10 {
				l.record(func(st *container.State) { st.Restarts++ })
			}
		})
	}
	all.Wait()
	if now, read := l.now().Restarts, written(t, l).Restarts; now != 200 || read != 200 {
		t.Errorf("after 200 changes it is %d, and others read %d", now, read)
	}
}

// TestStateThatCannotBeWritten: a container that nobody would find does not go on, and one
// that is known does.
func TestStateThatCannotBeWritten(t *testing.T) {
	l, known := newLedger(t, container.Record{}), newLedger(t, container.Record{})
	runs := func(st *container.State) { st.Status = container.Running }
	if err := known.appear(runs); err != nil {
		t.Fatal(err)
	}
	for _, l := range []*ledger{l, known} {
		if err := os.RemoveAll(string(l.store.Dirs().Container(l.id()))); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.appear(runs); err == nil || !strings.HasPrefix(err.Error(), "record state: ") {
		t.Errorf("for the first time: %v", err)
	}
	if err := known.appear(func(st *container.State) { st.Restarts = 2 }); err != nil || known.now().Restarts != 2 {
		t.Errorf("again: %v", err)
	}
}

func TestStateOfAStart(t *testing.T) {
	l := newLedger(t, container.Record{})
	st := l.now()
	if st.Status != container.Running || !st.Supervisor.Alive() || st.RunDir != l.store.Dirs().ContainerRun(l.id()) {
		t.Errorf("%+v", st)
	}
	l.prepare(func(st *container.State) { st.Cgroup = "/here" })
	if written(t, l).Cgroup != "" {
		t.Error("written before the container runs")
	}
	l.recordFailure(control.NewStartError(127, errors.New("no such program")))
	if st := written(t, l); st.Status != container.Created || st.ExitCode != 127 || st.Error != "no such program" || st.Supervisor.Pid != 0 {
		t.Errorf("%+v", st)
	}
}

// TestEventsHaveTheNameOfToday renames a container that runs, and one whose record
// is lost.
func TestEventsHaveTheNameOfToday(t *testing.T) {
	l := newLedger(t, container.Record{Name: "web", Net: container.Net{Mode: network.Bridge, Networks: []container.Endpoint{{Network: "bridge"}}}})
	if _, err := l.store.Edit(t.Context(), l.id(), func(r *container.Record) error {
		r.Name, r.Net.Networks = "site", nil
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if name := l.current().Name; name != "site" {
		t.Errorf("its events have the name %q", name)
	}
	l.arrived() // where it was at its start
	l.left()    // where it is now
	if got := actions(t, l); !slices.Contains(got, "connect") || slices.Contains(got, "disconnect") {
		t.Errorf("events %q", got)
	}
	c, err := l.store.Load(l.id())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(c.Dir().Record()); err != nil {
		t.Fatal(err)
	}
	if name := l.current().Name; name != "web" {
		t.Errorf("without a record its events have the name %q", name)
	}
}

func newNetworks(t *testing.T, r container.Record) (*networks, *patchbay) {
	t.Helper()
	store, c := newContainer(t, r)
	book, err := openLedger(store, c)
	if err != nil {
		t.Fatal(err)
	}
	p := &patchbay{}
	return &networks{book: book, c: c, box: p}, p
}

func TestConnect(t *testing.T) {
	n, p := newNetworks(t, container.Record{Name: "web"})
	for _, e := range []string{"front", "back"} {
		if err := n.connect(&container.Endpoint{Network: e}); err != nil {
			t.Fatal(err)
		}
	}
	before := n.book.now().Networks
	if err := n.disconnect(&container.Endpoint{Network: "front"}); err != nil {
		t.Fatal(err)
	}
	at := written(t, n.book).Networks
	if _, on := at["back"]; len(at) != 1 || !on {
		t.Errorf("others read %v", at)
	}
	if len(before) != 2 {
		t.Error("who has read the state before has it changed under their hands")
	}
	if n.connect(nil) == nil || n.disconnect(nil) == nil {
		t.Error("no network is one")
	}
	p.refuses = errors.New("no")
	for name, err := range map[string]error{
		"connect": n.connect(&container.Endpoint{Network: "more"}), "disconnect": n.disconnect(&container.Endpoint{Network: "back"}), "rename": n.rename(),
	} {
		if !errors.Is(err, p.refuses) || len(n.book.now().Networks) != 1 {
			t.Errorf("%s: %v, on %v", name, err, n.book.now().Networks)
		}
	}
	if p.name != "web" {
		t.Errorf("the networks were told the name %q", p.name)
	}
}

func TestShare(t *testing.T) {
	n, p := newNetworks(t, container.Record{})
	var err error
	if p.netns, err = os.Open("/proc/self/ns/net"); err != nil {
		t.Fatal(err)
	}
	defer p.netns.Close()
	for _, host := range []bool{false, true} {
		if host {
			p.netns = nil
		}
		ours, client := pair(t)
		if err := n.share(ours); err != nil {
			t.Fatal(err)
		}
		r, files := hear(t, client)
		want := []string{"user:[", "net:["}
		if host {
			want = want[:1]
		}
		if r.Event != control.EventDone || r.Shared == nil || r.Shared.Host != host || r.Shared.Files != n.c.Dir().Files() || len(files) != len(want) {
			t.Fatalf("host %t: %+v with %d files", host, r, len(files))
		}
		for i, f := range files {
			if is, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(int(f.Fd()))); err != nil || !strings.HasPrefix(is, want[i]) {
				t.Errorf("host %t: file %d is %s, %v", host, i, is, err)
			}
		}
	}
}

func TestConfigOfNetworks(t *testing.T) {
	n, _ := newNetworks(t, container.Record{Name: "web", Net: container.Net{
		Mode: "bridge", Networks: []container.Endpoint{{Network: "bridge"}}, DNS: []string{"9.9.9.9"}, AddHosts: []string{"a:1.2.3.4"},
	}})
	config := func(o opening) box.Network {
		t.Helper()
		c, err := n.config(o)
		if err != nil {
			t.Error(err)
		}
		return c
	}
	c := config(opening{})
	if c.Mode != "bridge" || len(c.Endpoints) != 1 || c.Name != "web" || c.Container != n.c.ID || c.DNS[0] != "9.9.9.9" || c.AddHosts[0] != "a:1.2.3.4" {
		t.Errorf("%+v", c)
	}
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n.shared = &control.SharedNet{Files: "/theirs"}
	if c := config(opening{netns: f}); c.Mode != box.NetShared || c.NetNS != f || len(c.Endpoints) > 0 || n.files() != "/theirs" {
		t.Errorf("another's: %+v, %s", c, n.files())
	}
	n.shared.Host = true
	if c := config(opening{}); c.Mode != network.Host || c.NetNS != nil {
		t.Errorf("another's that is the host's: %+v", c)
	}
}

func TestTmpfsOptions(t *testing.T) {
	for asked, want := range map[string]string{
		"":                         "nosuid nodev noexec",
		"exec":                     "nosuid nodev exec",
		"suid,dev,exec":            "suid dev exec",
		"size=64m,mode=1777":       "nosuid nodev noexec size=64m mode=1777",
		"noexec":                   "nosuid nodev noexec noexec",
		"atime,async,diratime":     "nosuid nodev noexec",
		"noatime":                  "nosuid nodev noexec noatime",
		"norelatime,ro":            "nosuid nodev noexec ro",
		"exec,size=1g,nr_inodes=9": "nosuid nodev exec size=1g nr_inodes=9",
	} {
		var list []string
		if asked != "" {
			list = strings.Split(asked, ",")
		}
		if got := strings.Join(tmpfsOptions(list), " "); got != want {
			t.Errorf("%s: %q, want %q", asked, got, want)
		}
	}
}

func TestMounts(t *testing.T) {
	s := alone(t, container.Record{
		Mounts: []container.Mount{
			{Type: container.MountTmpfs, Target: "/run", TmpfsOptions: []string{"size=1m"}, ReadOnly: true},
			{Type: container.MountTmpfs, Target: "/tmp"},
		},
		Safety: container.Safety{Devices: []container.Device{{Source: "/dev/fuse", Target: "/dev/f"}}},
	})
	p, err := s.mounts.prepare(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	var got []string
	for _, m := range p.list {
		got = append(got, strings.Join(append([]string{m.Type, m.Source, m.Destination}, m.Options...), " "))
	}
	if want := []string{"tmpfs tmpfs /run nosuid nodev noexec size=1m ro", "tmpfs tmpfs /tmp nosuid nodev noexec", "bind /dev/fuse /dev/f bind rprivate"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if _, err := (&mounts{volumes: s.mounts.volumes, c: s.c}).prepare("/nowhere"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("volumes are filled from nothing: %v", err)
	}
}

func TestProcessBesideTheFirst(t *testing.T) {
	s := &sessions{
		with: container.Process{Env: []string{"A=image"}, Hostname: "h", Tty: false},
		box:  &nothing{rootfs: rootWithUsers(t)},
	}
	first := &specs.Process{
		Args: []string{"server"}, Cwd: "/srv", Env: []string{"HOME=/home/first"}, ConsoleSize: &specs.Box{}, NoNewPrivileges: false,
		User: specs.User{UID: 5, GID: 6}, Capabilities: &specs.LinuxCapabilities{},
	}
	for name, c := range map[string]struct {
		o    control.ExecOptions
		good func(*specs.Process) bool
	}{
		"as the first": {control.ExecOptions{}, func(p *specs.Process) bool {
			return p.Cwd == "/srv" && p.User.UID == 5 && !p.Terminal && slices.Contains(p.Env, "HOME=/home/first") && slices.Contains(p.Env, "A=image") && p.ConsoleSize == nil
		}},
		"terminal":  {control.ExecOptions{Tty: true}, func(p *specs.Process) bool { return p.Terminal && slices.Contains(p.Env, "TERM=xterm") }},
		"directory": {control.ExecOptions{Cwd: "/tmp"}, func(p *specs.Process) bool { return p.Cwd == "/tmp" }},
		"environment": {control.ExecOptions{Env: []string{"A=mine", "B=2"}}, func(p *specs.Process) bool {
			return slices.Contains(p.Env, "A=mine") && !slices.Contains(p.Env, "A=image") && slices.Contains(p.Env, "B=2")
		}},
		"no privileges":  {control.ExecOptions{NoNewPrivs: true}, func(p *specs.Process) bool { return p.NoNewPrivileges }},
		"all privileges": {control.ExecOptions{Privileged: true}, func(p *specs.Process) bool { return slices.Contains(p.Capabilities.Bounding, "CAP_SYS_ADMIN") }},
	} {
		c.o.Args = []string{"id"}
		p, err := s.process(first, &c.o)
		if err != nil || !slices.Equal(p.Args, c.o.Args) || !c.good(p) {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	if first.Args[0] != "server" || first.Terminal || len(first.Env) != 1 {
		t.Errorf("the first has become %+v", first)
	}
	for name, o := range map[string]control.ExecOptions{"directory": {Cwd: "tmp"}, "user": {User: "mallory"}, "group": {User: "root:mallory"}} {
		if _, err := s.process(first, &o); err == nil {
			t.Errorf("%s: %+v is taken", name, o)
		}
	}
}

// rootWithUsers is a root file system that knows root.
func rootWithUsers(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(dir+"/etc", 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"passwd": "root:x:0:0::/root:/bin/sh\n", "group": "root:x:0:\n"} {
		if err := os.WriteFile(dir+"/etc/"+name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestHomeIn(t *testing.T) {
	for home, env := range map[string][]string{"/": nil, "/h": {"A=1", "HOME=/h", "HOME=/i"}, "": {"HOME="}} {
		if got := homeIn(env); got != home {
			t.Errorf("%q: %q", env, got)
		}
	}
}

// TestExecThatDoesNotStart has a box that starts nothing: pipes are closed, and the
// client hears the code that Docker gives it.
func TestExecThatDoesNotStart(t *testing.T) {
	s := alone(t, container.Record{})
	s.begin(t, "exec sleep 60")
	for _, o := range []*control.ExecOptions{
		{Args: []string{"id"}}, {Args: []string{"id"}, Stdin: true}, {Args: []string{"id"}, Tty: true}, {Args: []string{"id"}, Detach: true},
	} {
		if r := s.ask(t, control.Request{Op: control.OpExec, Exec: o}); r.Event != control.EventError || r.Code != 126 || !strings.Contains(r.Error, os.ErrPermission.Error()) {
			t.Errorf("%+v: %+v", o, r)
		}
	}
	init, _ := s.first.process()
	_ = init.Process.Kill()
	_, _ = init.Wait()
	if r := s.ask(t, control.Request{Op: control.OpExec, Exec: &control.ExecOptions{Args: []string{"id"}}}); r.Code != 1 || !strings.HasSuffix(r.Error, "is not running") {
		t.Errorf("in a container that has just ended: %+v", r)
	}
	if slices.ContainsFunc(actions(t, s.book), func(a string) bool { return strings.HasPrefix(a, "exec_") }) {
		t.Errorf("events %q", actions(t, s.book))
	}
}

func TestExecPipes(t *testing.T) {
	for name, c := range map[string]struct {
		o    control.ExecOptions
		ours int
		tty  bool
	}{
		"plain": {control.ExecOptions{}, 2, false}, "with input": {control.ExecOptions{Stdin: true}, 3, false},
		"terminal": {control.ExecOptions{Tty: true, Stdin: true}, 0, true}, "detached": {control.ExecOptions{Detach: true, Stdin: true}, 0, false},
	} {
		p, err := openExecPipes(&c.o)
		if err != nil || len(p.ours) != c.ours {
			t.Fatalf("%s: %d of ours, %v", name, len(p.ours), err)
		}
		for i, f := range p.child {
			if (f == nil) != c.tty {
				t.Errorf("%s: the process has no file %d", name, i)
			}
		}
		if c.ours > 0 {
			say(t, p.child[1], "out")
			expect(t, p.ours[0], "out")
		}
		if c.ours > 2 {
			say(t, p.ours[2], "in")
			expect(t, p.child[0], "in")
		}
		for _, f := range append(p.ours, p.child[:]...) {
			if f != nil {
				f.Close()
			}
		}
	}
}

func TestProbeOutput(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	go func() { _, _ = w.WriteString(strings.Repeat("x", 1<<20)); w.Close() }() // would be stuck if it were not read
	if got := readBeginning(r); len(got) != container.ProbeOutputKept {
		t.Errorf("%d bytes are kept", len(got))
	}
	if got := readBeginning(strings.NewReader("short")); got != "short" {
		t.Errorf("%q", got)
	}
	s := alone(t, container.Record{})
	if _, _, err := s.sessions.probe(t.Context(), []string{"true"}); err == nil {
		t.Error("a check in nothing")
	}
	s.begin(t, "exec sleep 60")
	if _, _, err := s.sessions.probe(t.Context(), []string{"true"}); !errors.Is(err, os.ErrPermission) {
		t.Errorf("a check that does not start: %v", err)
	}
}

func TestExitCode(t *testing.T) {
	for _, c := range []struct {
		ws   syscall.WaitStatus
		err  error
		want int
	}{{0, nil, 0}, {7 << 8, nil, 7}, {9, nil, 137}, {syscall.WaitStatus(syscall.SIGSEGV) | 0x80, nil, 139}, {0, io.EOF, 255}} {
		if got := exitCode(c.ws, c.err); got != c.want {
			t.Errorf("%v, %v: %d, want %d", c.ws, c.err, got, c.want)
		}
	}
}

func TestJournalName(t *testing.T) {
	for name, want := range map[string]string{
		"": "", "app": "APP", "com.example.app": "COM_EXAMPLE_APP", "_x": "X", "1st": "ST", "a1": "A1", "é": "", "a-b c=d\n": "A_B_C_D_", "9": "",
	} {
		if got := journalName(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func TestLogs(t *testing.T) {
	_, c := newContainer(t, container.Record{Labels: map[string]string{"a": "1"}})
	for driver, kept := range map[string]bool{logfile.None: false, "json-file": true, "local": true} {
		c.Life.LogDriver = driver
		l, err := openLog(c)
		if err != nil || (l != nil) != kept {
			t.Errorf("%s: %v, %v", driver, l, err)
			continue
		}
		if l != nil {
			w := l.Stream("stdout")
			_, _ = io.WriteString(w, "a line\n")
			w.Close()
			l.Close()
			if text, err := os.ReadFile(c.Dir().Log()); err != nil || !strings.Contains(string(text), "a line") {
				t.Errorf("%s: %q, %v", driver, text, err)
			}
		}
	}
	c.Life.LogDriver, c.Life.LogOpts = "json-file", map[string]string{"max-size": "much"}
	if _, err := openLog(c); err == nil || !strings.HasPrefix(err.Error(), "open log: ") {
		t.Errorf("%v", err)
	}
}

func TestOptions(t *testing.T) {
	soft := 3
	_, c := newContainer(t, container.Record{
		Process: container.Process{Entrypoint: []string{"run"}, Cmd: []string{"it"}, Env: []string{"A=1"}, Cwd: "/w", User: "0", Hostname: "h", Tty: true},
		Limits:  container.Limits{ShmSize: 1 << 20, OomScoreAdj: &soft, Ulimits: []container.Ulimit{{Name: "nofile", Soft: 10, Hard: 20}}},
		Safety:  container.Safety{CapDrop: []string{"ALL"}, ReadOnlyRootfs: true, HostPID: true},
	})
	rootfs := rootWithUsers(t)
	o, err := options(c, rootfs, ids.Maps{}, []specs.Mount{{Destination: "/m"}})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(o.Args, []string{"run", "it"}) || o.Cwd != "/w" || !o.Terminal || !o.ReadOnlyRootfs || !o.HostPID || o.ShmSize != 1<<20 || len(o.Mounts) != 1 ||
		len(o.Rlimits) != 1 || o.Rlimits[0].Type != "RLIMIT_NOFILE" || o.Rlimits[0].Hard != 20 || *o.OomScoreAdj != 3 {
		t.Errorf("%+v", o)
	}
	for _, want := range []string{"A=1", "HOSTNAME=h", "TERM=xterm"} {
		if !slices.Contains(o.Env, want) {
			t.Errorf("no %s in %q", want, o.Env)
		}
	}
	c.Process.Entrypoint, c.Process.Cmd = nil, nil
	if _, err := options(c, rootfs, ids.Maps{}, nil); err == nil || err.Error() != "no command specified" {
		t.Errorf("%v", err)
	}
	c.LayerDirs = []string{"base", "mid", "top"}
	if got := c.Rootfs().Lowers; !slices.Equal(got, []string{"top", "mid", "base"}) {
		t.Errorf("%q", got)
	}
}
