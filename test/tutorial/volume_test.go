// SPDX-License-Identifier: Apache-2.0

package tutorial

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"coracle/internal/testutil"
)

func (u *user) volumePath(name ...string) string {
	return filepath.Join(append([]string{u.home, "root", "volumes"}, name...)...)
}

// TestVolumeOptions makes volumes of other places, and is refused what takes
// root.
func TestVolumeOptions(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	u.write("dir/f", "x")
	dir := filepath.Join(u.home, "dir")
	u.ok("volume", "create", "-d", "local", "-o", "type=none", "--opt", "o=bind", "-o", "device="+dir, "there")
	u.ok("volume", "create", "-o", "type=none", "-o", "o=bind,ro", "-o", "device="+dir, "read")
	u.ok("volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "-o", "o=size=1m,mode=700", "memory")
	u.ok("volume", "create", "-o", "type=none", "-o", "o=bind", "-o", "device="+dir+"/later", "later")
	if got := u.ok("run", "--rm", "--network", "none", "-v", "there:/v", "busybox", "sh", "-c", "cat /v/f; echo y >/v/g"); got != "x" {
		t.Errorf("in the volume: %q", got)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "g")); err != nil || string(data) != "y\n" {
		t.Errorf("in its directory: %q %v", data, err)
	}
	u.fails(1, []string{"Read-only file system"}, "run", "--rm", "--network", "none", "-v", "read:/v", "busybox", "touch", "/v/h")
	if got := u.ok("run", "--rm", "--network", "none", "-v", "memory:/v", "busybox", "sh", "-c", "df /v | tail -1; stat -c %a /v"); !strings.Contains(got, "tmpfs") ||
		!strings.Contains(got, " 1024 ") || !strings.HasSuffix(got, "700") {
		t.Errorf("a tmpfs: %s", got)
	}
	u.fails(125, []string{"error while mounting volume 'later': failed to mount local volume: ", "no such file or directory"},
		"run", "--rm", "--network", "none", "-v", "later:/v", "busybox", "true")
	if got := u.ok("volume", "inspect", "-f", `{{index .Options "o"}} {{.Driver}}`, "memory"); got != "size=1m,mode=700 local" {
		t.Errorf("inspect: %q", got)
	}
	if got := u.ok("run", "--rm", "--network", "none", "--mount", "type=volume,dst=/v,volume-opt=type=none,volume-opt=o=bind,volume-opt=device="+dir, "busybox", "cat", "/v/f"); got != "x" {
		t.Errorf("options of --mount: %q", got)
	}
	u.ok("volume", "rm", "there", "read", "memory", "later")
	if _, err := os.Stat(filepath.Join(dir, "f")); err != nil {
		t.Error("removing a volume removed the directory that it was of:", err)
	}
	for words, options := range map[string][]string{
		`invalid option: "colour"`:                     {"colour=blue"},
		`missing required option: "type"`:              {"o=bind"},
		`missing required option: "device"`:            {"type=none", "o=bind"},
		"quota size requested but no quota support":    {"size=10m"},
		"data: addr=10.0.0.1: operation not permitted": {"type=nfs", "device=:/x", "o=addr=10.0.0.1"},
		"is not an absolute path":                      {"type=none", "o=bind", "device=x"},
		"invalid argument":                             {"type=none", "o=bind,strange", "device=/"},
		`invalid tmpfs option ["strange"]`:             {"type=tmpfs", "o=strange", "device=tmpfs"},
	} {
		args := []string{"volume", "create"}
		for _, o := range options {
			args = append(args, "-o", o)
		}
		u.fails(1, []string{words, "create bad: "}, append(args, "bad")...)
	}
	u.fails(1, []string{"no such volume"}, "volume", "inspect", "bad")
	u.fails(1, []string{"volume name is too short"}, "volume", "create", "v")
}

// TestVolumeMounts is how volumes and binds are asked for.
func TestVolumeMounts(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	u.write("dir/f", "f")
	dir := filepath.Join(u.home, "dir")
	run := func(args ...string) []string {
		return slices.Concat([]string{"run", "--rm", "--network", "none"}, args)
	}
	u.ok(run("-v", dir+":/x", "-v", dir+":/x", "--tmpfs", "/t", "--tmpfs", "/t", "busybox", "true")...)
	for words, args := range map[string][]string{
		"Duplicate mount point: /x":                        {"-v", dir + ":/x", "-v", "/tmp:/x"},
		"Duplicate mount point: /y":                        {"-v", dir + ":/y", "--tmpfs", "/y"},
		"invalid mode: U":                                  {"-v", dir + ":/x:U"},
		"invalid mode: ro,rw":                              {"-v", dir + ":/x:ro,rw"},
		"invalid mode: rshared":                            {"--volumes-from", "source:rshared"},
		"field BindOptions must not be specified":          {"-v", "v1:/x:rslave"},
		"bind source path does not exist: " + dir + "/no":  {"--mount", "type=bind,src=" + dir + "/no,dst=/x"},
		"cannot access path no/such: no such file":         {"--mount", "type=volume,src=v1,dst=/x,volume-subpath=no/such"},
		"No such container: nobody":                        {"--volumes-from", "nobody"},
		"/etc/passwd: not a directory: Are you trying to":  {"-v", dir + ":/etc/passwd"},
		"/etc: not a directory: Are you trying to mount a": {"-v", dir + "/f:/etc"},
	} {
		u.fails(125, []string{words}, run(append(args, "busybox", "true")...)...)
	}
	if left := u.ok("volume", "ls", "-q"); left != "v1" { // of the subpath, which only the start could look for
		t.Errorf("refused commands left volumes: %q", left)
	}
	u.ok("create", "--name", "source", "-v", "/data", "-v", dir+":/bind:ro", "busybox", "true")
	u.ok("cp", filepath.Join(dir, "f"), "source:/data")
	// What others have goes before an anonymous volume, not before what is named.
	if got := u.ok(run("-v", "/data", "--volumes-from", "source", "busybox", "sh", "-c", "ls /data; touch /bind/x 2>&1 || true")...); !strings.HasPrefix(got, "f\n") || !strings.Contains(got, "Read-only") {
		t.Errorf("volumes from: %q", got)
	}
	if got := u.ok(run("-v", "v1:/data", "--volumes-from", "source:ro", "busybox", "ls", "-A", "/data")...); got != "" {
		t.Errorf("a named volume: %q", got)
	}
	u.fails(1, []string{"Read-only file system"}, run("--volumes-from", "source:ro,z", "busybox", "touch", "/data/x")...)
}

// TestVolumeLists filters, prunes and removes.
func TestVolumeLists(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	u.ok("volume", "create", "--label", "keep=yes", "alpha")
	u.ok("volume", "create", "beta")
	u.ok("create", "--name", "box", "-v", "gamma:/g", "-v", "/anonymous", "busybox", "true")
	for filter, want := range map[string]string{
		"name=^a.*a$": "alpha", "name=eta": "beta", "name=a[": "", "driver=local": "alpha beta gamma", "driver=nfs": "", "label=keep": "alpha",
		"label=keep=no": "", "dangling=true": "alpha beta", "dangling=0": "gamma",
	} {
		names := slices.DeleteFunc(strings.Fields(u.ok("volume", "ls", "-q", "-f", filter)), func(n string) bool { return len(n) == 64 })
		if got := strings.Join(names, " "); got != want {
			t.Errorf("volume ls -f %s: %q, want %q", filter, got, want)
		}
	}
	u.fails(1, []string{"invalid filter 'dangling=[maybe]'"}, "volume", "ls", "-f", "dangling=maybe")
	u.fails(1, []string{"invalid filter 'colour'"}, "volume", "ls", "-f", "colour=x")
	u.fails(1, []string{"remove gamma: volume is in use - ["}, "volume", "rm", "gamma")
	u.fails(1, []string{"get nosuch: no such volume"}, "volume", "rm", "nosuch")
	u.ok("volume", "rm", "-f", "nosuch")
	u.ok("run", "--rm", "--network", "none", "-v", "beta:/b", "busybox", "sh", "-c", "head -c 1234567 /dev/zero >/b/f; ln /b/f /b/g; mkdir -m 700 /b/d; chown 5 /b/d 2>/dev/null; true")
	if got := u.ok("volume", "prune", "-f"); got != "Total reclaimed space: 0B" {
		t.Errorf("prune: %q", got)
	}
	if got := u.ok("volume", "prune", "-af", "--filter", "label!=keep"); got != "Deleted Volumes:\nbeta\n\nTotal reclaimed space: 1.23MB" {
		t.Errorf("prune: %q", got)
	}
	u.ok("rm", "box")
	if got := u.ok("volume", "prune", "-f"); !strings.HasSuffix(got, "Total reclaimed space: 0B") || strings.Contains(got, "gamma") || len(strings.Fields(got)[2]) != 64 {
		t.Errorf("prune: %q", got)
	}
	u.ok("volume", "prune", "-f", "--filter", "all=1")
	if got := u.ok("volume", "ls", "-q"); got != "" {
		t.Errorf("still there: %q", got)
	}
}

// TestVolumesOfOtherIDs removes what the caller may not: files of subordinate ids,
// in directories that are open to all and in one that is closed.
func TestVolumesOfOtherIDs(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	for _, remove := range [][]string{{"rm", "open", "shut"}, {"prune", "-af"}} {
		u.ok("run", "--rm", "--network", "none", "-v", "open:/open", "-v", "shut:/shut", "busybox", "sh", "-c",
			"for d in /open/a /shut/b; do mkdir $d; head -c 500 /dev/zero >$d/f; chown -R 5 $d; done 2>/dev/null; chmod 700 /shut/b")
		want := "open\nshut"
		if remove[0] == "prune" {
			want = "Deleted Volumes:\nopen\nshut\n\nTotal reclaimed space: 1kB"
		}
		if got := u.ok(append([]string{"volume"}, remove...)...); got != want {
			t.Errorf("%v: %q, want %q", remove, got, want)
		}
		for _, dir := range []string{u.volumePath(), filepath.Join(u.home, "root", "tmp")} { // what the container had goes after run has ended
			testutil.Eventually(t, fmt.Sprintf("%v leaves nothing in %s", remove, dir), func() bool {
				left, err := os.ReadDir(dir)
				return err == nil && !slices.ContainsFunc(left, func(e os.DirEntry) bool { return e.Name() != ".lock" })
			})
		}
	}
}

// TestDamagedVolumes has the records of volumes broken: nothing else suffers,
// and they can be removed.
func TestDamagedVolumes(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	u.ok("create", "--name", "box", "-v", "used:/u", "-v", "good:/g", "busybox", "true")
	bad := map[string]string{"null": "null", "empty": "", "garbage": "\x00\xff{", "list": "[]", "other": `{"name":"good"}`, "number": `{"name":7}`,
		"odd": `{"name":"odd","options":{"type":"nfs","device":"x"}}`, "used": "{}"}
	for name, text := range bad {
		if name != "used" {
			u.ok("volume", "create", name)
		}
		if err := os.WriteFile(u.volumePath(name, "volume.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"not a name", "-x", "é"} {
		bad[name] = ""
		if err := os.Mkdir(u.volumePath(name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	bad["file"] = ""
	if err := errors.Join(os.WriteFile(u.volumePath("file"), nil, 0o600), os.RemoveAll(u.volumePath("null", "data"))); err != nil {
		t.Fatal(err)
	}
	table := u.ok("volume", "ls")
	for name := range bad {
		if !strings.Contains(table, "damaged   "+name) {
			t.Errorf("%s is not listed as damaged:\n%s", name, table)
		}
	}
	testutil.Contains(t, table, "local     good")
	testutil.Contains(t, u.ok("ps", "-a"), "box")
	u.fails(1, []string{"read volume null", "volume rm null"}, "volume", "inspect", "null")
	u.fails(1, []string{"read volume used"}, "start", "box")
	u.ok("run", "--rm", "--network", "none", "-v", "good:/g", "busybox", "true")
	u.fails(1, []string{"volume is in use"}, "volume", "rm", "used")
	u.ok("volume", "prune", "-af")
	u.ok("rm", "-v", "box")
	for name := range bad {
		u.ok("volume", "rm", "--", name)
	}
	if got := u.ok("volume", "ls", "-q"); got != "good" {
		t.Errorf("left: %q", got)
	}
	// A container's damaged record keeps what it names, and nothing else.
	id := u.ok("create", "-v", "good:/g", "busybox", "true")
	u.ok("volume", "create", "free")
	record := u.containerFile(id, "record.json")
	data, err := os.ReadFile(record)
	if err == nil {
		err = os.WriteFile(record, data[:len(data)-2], 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	u.fails(1, []string{"volume is in use"}, "volume", "rm", "good")
	u.ok("volume", "rm", "free")
	u.ok("rm", "-f", id)
	u.ok("volume", "rm", "good")
}

// TestNewVolumes is what is in a volume when there is no start yet, and after
// one; and that the caller's umask has no say in it.
func TestNewVolumes(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	u.write("Dockerfile", "FROM busybox\nRUN mkdir -p -m 751 /d/sub && echo content >/d/f && chmod 4755 /d/f && chmod 1775 /d\nVOLUME /d\n")
	u.ok("build", "-q", "-t", "filled", u.home)
	for _, mask := range []string{"077", "000"} {
		shell := func(script string) {
			t.Helper()
			cmd := u.command()
			cmd.Path, cmd.Args = "/bin/sh", []string{"sh", "-ec", "umask " + mask + "; " + script, "sh", u.bin}
			if r := u.finish(cmd); r.Code != 0 {
				t.Fatalf("%s: %s%s", script, r.Out, r.Err)
			}
		}
		shell(`"$1" volume create plain; "$1" create --name box -v named:/d -v plain:/empty -v "$HOME/bind-` + mask + `":/b filled true`)
		if got := u.ok("run", "--rm", "--network", "none", "-v", "named:/v", "busybox", "sh", "-c", "cat /v/f; stat -c %a /v /v/f /v/sub"); got != "content\n1775\n4755\n751" {
			t.Errorf("umask %s: of a created container: %q", mask, got)
		}
		shell(`"$1" start -a box; "$1" rm box`)
		for path, want := range map[string]os.FileMode{u.volumePath("plain", "data"): 0o755, filepath.Join(u.home, "bind-"+mask): 0o755} {
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
				t.Errorf("umask %s: %s: %v %v", mask, path, info, err)
			}
		}
		u.ok("volume", "rm", "plain", "named")
	}
	// What a program has removed does not come back with the next start.
	u.ok("run", "--name", "box", "--network", "none", "-v", "named:/d", "filled", "sh", "-c", "rm -rf /d/*")
	u.ok("start", "-a", "box")
	if got := u.ok("run", "--rm", "--network", "none", "-v", "named:/v", "--mount", "type=volume,dst=/d,volume-nocopy", "filled", "ls", "-A", "/v", "/d"); strings.Contains(got, "f") {
		t.Errorf("filled again: %q", got)
	}
	u.ok("rm", "-v", "box")
	if r := u.result("run", "--rm", "--network", "none", "filled", "/no/such/program"); r.Code != 127 {
		t.Errorf("a start that fails: %d %s", r.Code, r.Err)
	}
	if got := u.ok("volume", "ls", "-q"); got != "named" {
		t.Errorf("volumes of a container that is gone: %q", got)
	}
}

// TestVolumeCommandsAreKilled cuts commands off while they make and fill a
// volume: the next finds nothing half done.
func TestVolumeCommandsAreKilled(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	u.write("Dockerfile", "FROM busybox\nRUN mkdir /d && for i in $(seq 300); do echo content >/d/$i; done\n")
	u.ok("build", "-q", "-t", "many", u.home)
	var cut int
	for i := range 40 {
		cmd := u.command("create", "--name", "box", "-v", "vol:/d", "many", "true")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(time.Duration(i)*3*time.Millisecond, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		timer.Stop()
		if cmd.ProcessState.Sys().(syscall.WaitStatus).Signaled() {
			cut++
		}
		// Of what is there every part can be used.
		names := u.ok("ps", "-aq")
		if got := u.ok("run", "--rm", "--network", "none", "-v", "vol:/d", "many", "sh", "-c", "cat /d/* | grep -c content"); got != "300" {
			t.Errorf("round %d: %s of 300 files are there", i, got)
		}
		if names != "" {
			u.ok("rm", names)
		}
		u.ok("volume", "rm", "vol")
		testutil.Eventually(t, fmt.Sprintf("round %d: nothing is left behind", i), func() bool {
			left, err := filepath.Glob(filepath.Join(u.home, "root", "tmp", "volume-*"))
			if len(left) > 0 { // a worker of the one that was killed had not ended: it is for the next command
				u.ok("volume", "prune", "-f")
			}
			return err == nil && len(left) == 0
		})
	}
	if cut == 0 {
		t.Error("no command was cut off")
	}
}

// TestVolumesAreRemovedAndUsed has one command remove a volume while another
// makes a container of it: either there is no container, or its volume is there.
func TestVolumesAreRemovedAndUsed(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	var removed, created int
	for i := range 60 {
		u.ok("volume", "create", "vol")
		var rm, create testutil.Result
		var both sync.WaitGroup
		both.Add(2)
		go func() { defer both.Done(); rm = u.result("volume", "rm", "vol") }()
		go func() {
			defer both.Done()
			create = u.result("create", "--name", "box", "-v", "vol:/v", "busybox", "true")
		}()
		both.Wait()
		if create.Code != 0 {
			t.Fatalf("create: %s", create.Err)
		}
		if r := u.result("volume", "inspect", "vol"); r.Code != 0 {
			t.Errorf("round %d: the container has lost its volume (rm: %d %s)", i, rm.Code, rm.Err)
		}
		if rm.Code == 0 {
			removed++
		} else {
			created++
		}
		u.ok("rm", "box")
		u.ok("volume", "rm", "-f", "vol")
	}
	t.Logf("removed first %d times, used first %d times", removed, created)
}
