// SPDX-License-Identifier: Apache-2.0

package isolation

import (
	"archive/tar"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coracle/internal/testutil"
)

func TestR1_ProgramCannotBeWritten(t *testing.T) {
	need(t)
	sum := func() [32]byte {
		data, err := os.ReadFile(world.bin)
		if err != nil {
			t.Fatal(err)
		}
		return sha256.Sum256(data)
	}
	before := sum()
	writer := service(t, append(probing(), "box", "/probe", "probe", "write-exe")...)
	started := testutil.NewRounds(t, "coracle's own program was started inside")
	for range min(rounds(), 200) {
		started.Ran(try(t, "exec", writer, "/proc/self/exe", "version").Code != 125)
	}
	if got := ok(t, "inspect", "-f", "{{.State.Running}}", writer); got != "true" {
		t.Errorf("who writes has ended: %s", ok(t, "logs", writer))
	}
	script := image(t, testutil.File{Name: "evil", Text: "#!/proc/self/exe\n", Mode: 0o755})
	for _, args := range [][]string{
		{"run", "--rm", "box", "/proc/self/exe"},
		{"run", "--rm", "--entrypoint", "/proc/self/exe", "box", "version"},
		{"run", "--rm", script, "/evil"},
		{"run", "--rm", "-t", "box", "/proc/self/exe"},
	} {
		try(t, args...)
	}
	if sum() != before {
		t.Error("the program was changed from inside a container")
	}
}

func TestR2_NoDescriptorLeaks(t *testing.T) {
	need(t)
	// The caller's own open directories must not arrive.
	var extra []*os.File
	for range 18 {
		d, err := os.Open("/")
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		extra = append(extra, d)
	}
	id := service(t, append(probing(), "box", "sleep", "1000")...)
	for _, args := range [][]string{
		append(probing("run", "--rm"), "box", "/probe", "probe", "fds"),
		append(probing("run", "--rm", "-i"), "box", "/probe", "probe", "fds"),
		append(probing("run", "--rm", "-t"), "box", "/probe", "probe", "fds"),
		{"exec", id, "/probe", "probe", "fds"},
		{"exec", "-i", id, "/probe", "probe", "fds"},
	} {
		cmd := world.command(args...)
		cmd.ExtraFiles = extra
		if r := testutil.Finish(cmd); r.Code != 0 || strings.TrimSpace(r.Out) != "0 1 2" {
			t.Errorf("coracle %v: open in the container: %s%s", args, r.Out, r.Err)
		}
	}
	if out := ok(t, "exec", id, "ls", "/proc/1/fd"); strings.Join(strings.Fields(out), " ") != "0 1 2" {
		t.Errorf("open in the first process: %s", out)
	}
}

func TestR2_WorkingDirectoryIsInside(t *testing.T) {
	id := service(t, "box", "sleep", "1000")
	for n := 3; n <= 64; n++ {
		dir := fmt.Sprintf("/proc/self/fd/%d", n)
		for _, args := range [][]string{{"run", "--rm", "-w", dir, "box"}, {"exec", "-w", dir, id}} {
			r := try(t, append(args, "sh", "-c", "pwd; ls -d ../../../../../../home/*")...)
			if r.Code == 0 && !strings.HasPrefix(r.Out, "/\n") || strings.Contains(r.Out, "(unreachable)") || strings.Contains(r.Out, "/home/") {
				t.Fatalf("%v: %s", args, r.Out)
			}
		}
	}
}

// TestR2_WorkingDirectoryOfABuildIsInside is the same for RUN.
func TestR2_WorkingDirectoryOfABuildIsInside(t *testing.T) {
	need(t)
	ran := testutil.NewRounds(t, "a step ran")
	for n := 3; n <= 64; n += 3 {
		dir := t.TempDir()
		text := fmt.Sprintf("FROM box\nWORKDIR /proc/self/fd/%d\nRUN pwd | sed s/^/IN:/; ls -d ../../../../../../home/* | sed s/^/LEAK:/\n", n)
		if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		r := world.run(nil, "build", "--no-cache", "--progress", "plain", "--network", "none", dir)
		said := r.Out + r.Err
		ran.Ran(strings.Contains(said, "IN:/"))
		if strings.Contains(said, "LEAK:..") || strings.Contains(said, "IN:(unreachable)") {
			t.Fatalf("descriptor %d: %s", n, said)
		}
	}
}

// flip exchanges two names over and over, as fast as it goes; the test fails
// when that never was done.
func flip(t *testing.T, a, b string) {
	t.Helper()
	stop, done := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for {
			select {
			case <-stop:
				done <- n
				return
			default:
				if unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE) == nil {
					n++
				}
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		n := <-done
		if t.Logf("%d exchanges", n); n == 0 {
			t.Error("nothing was exchanged: nothing was tested")
		}
	})
}

func TestR3_R4_DeviceOfTheContainerIsALink(t *testing.T) {
	need(t)
	dev := t.TempDir()
	for name, target := range map[string]string{"null": "/proc/sys/kernel/core_pattern", "console": "/proc/sysrq-trigger", "ptmx": "/proc/sys/kernel/core_pattern"} {
		if err := os.Symlink(target, filepath.Join(dev, name+".link")); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dev, name), nil, 0o666); err != nil {
			t.Fatal(err)
		}
		flip(t, filepath.Join(dev, name), filepath.Join(dev, name+".link"))
	}
	started := testutil.NewRounds(t, "a container started")
	for i := range rounds() {
		args := []string{"run", "--rm", "-v", dev + ":/dev"}
		if i%4 == 3 {
			args = append(args, "-t")
		}
		r := try(t, append(args, "box", "sh", "-c", "cat /proc/keys | wc -c; grep -c core_pattern /proc/self/mountinfo; (echo x >/proc/sys/kernel/core_pattern) 2>&1; true")...)
		if started.Ran(r.Code == 0) && strings.TrimSpace(strings.Split(r.Out, "\n")[0]) != "0" {
			t.Fatalf("round %d: a mask is not /dev/null: %s", i, r.Out)
		}
	}
}

func TestR5_R6_R8_LinksInPlaceOfMountPoints(t *testing.T) {
	need(t)
	dir, check := canary(t)
	for _, c := range []struct {
		name, kind, link string
		starts           bool // may the container start, with its mounts where they belong
	}{
		{"proc", "link", "/x", false}, {"sys", "link", "/x", false}, {"proc", "link", dir, false}, {"sys", "link", dir, false},
		{"proc", "link", "..", false}, {"proc", "file", "", false}, {"sys", "file", "", false},
		{"dev", "link", dir, true}, {"dev", "link", "/../../.." + dir, true}, {"dev", "link", "../../../.." + dir, true}, {"dev", "file", "", false},
	} {
		t.Run(c.name+" "+c.kind+" "+strings.ReplaceAll(c.link, dir, "canary"), func(t *testing.T) {
			f := testutil.File{Name: c.name, Link: c.link, Text: "x"}
			if c.kind == "link" {
				f.Kind, f.Text = tar.TypeSymlink, ""
			}
			name := image(t, f, testutil.File{Name: "x", Kind: tar.TypeDir, Mode: 0o755})
			r := try(t, "run", "--rm", name, "sh", "-c", "cat /proc/self/mountinfo")
			if r.Code == 0 && !c.starts {
				t.Errorf("it started:\n%s", r.Out)
			}
			if r.Code != 0 && r.Code != 125 && r.Code != 127 {
				t.Errorf("exit code %d: %s", r.Code, r.Err)
			}
			if r.Code == 0 {
				if !strings.Contains(r.Out, " /proc rw,nosuid,nodev,noexec") || !strings.Contains(r.Out, " /sys ro,nosuid") {
					t.Errorf("mounts:\n%s", r.Out)
				}
			}
			check()
		})
	}
}

func TestR5_MountsInProcAreRefused(t *testing.T) {
	need(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "cpuinfo")
	if err := os.WriteFile(file, []byte("faked\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"/proc", "/proc/self/attr", "/proc/sys", "/proc/1", "/tmp/../proc/self", "/proc/self/net"} {
		r := try(t, "run", "--rm", "-v", dir+":"+target, "box", "true")
		if r.Code != 125 || !strings.Contains(r.Err, "cannot be mounted because it is") {
			t.Errorf("-v …:%s: exit code %d: %s", target, r.Code, r.Err)
		}
	}
	if r := try(t, "run", "--rm", "--tmpfs", "/proc/self/attr", "box", "true"); r.Code != 125 {
		t.Errorf("tmpfs in /proc: exit code %d: %s", r.Code, r.Err)
	}
	// A link of the image leads there just as well.
	linked := image(t, fileOf("lead", "/proc/self"))
	if r := try(t, "run", "--rm", "-v", dir+":/lead/attr", linked, "true"); r.Code != 125 {
		t.Errorf("through a link: exit code %d: %s", r.Code, r.Err)
	}
	if out := box(t, "cat /proc/cpuinfo", "-v", file+":/proc/cpuinfo"); out != "faked" {
		t.Errorf("/proc/cpuinfo: %q", out)
	}
}

func fileOf(name, link string) testutil.File {
	return testutil.File{Name: name, Kind: tar.TypeSymlink, Link: link}
}

func TestR7_MountTargetBecomesALink(t *testing.T) {
	need(t)
	dir, check := canary(t)
	shared := t.TempDir()
	if err := os.MkdirAll(filepath.Join(shared, "a"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dir, filepath.Join(shared, "link")); err != nil {
		t.Fatal(err)
	}
	flip(t, filepath.Join(shared, "a"), filepath.Join(shared, "link"))
	other := t.TempDir()
	started := testutil.NewRounds(t, "a container started with the mount")
	for i := range rounds() {
		args := [][]string{
			{"-v", other + ":/shared/a"}, {"--tmpfs", "/shared/a"}, {"--mount", "type=bind,src=" + other + ",dst=/shared/a/b/c"}, {"-v", "/dev/null:/shared/a/file"},
		}[i%4]
		started.Ran(try(t, append(append([]string{"run", "--rm", "-v", shared + ":/shared"}, args...), "box", "true")...).Code == 0)
	}
	check()
}

func TestR9_CgroupsCannotBeWritten(t *testing.T) {
	if out := box(t, "find /sys/fs/cgroup -type f | wc -l"); out == "0" {
		t.Skip("there is no cgroup file inside: this host has no cgroup2 tree that can be shown")
	}
	out := box(t, `cd /sys/fs/cgroup && for f in $(find . -type f | head -50); do (echo 1 >$f) 2>/dev/null && echo "$f was written"; done
		mkdir x 2>/dev/null && echo made; true`)
	if out != "" {
		t.Error(out)
	}
}

func TestR10_LongConfiguration(t *testing.T) {
	need(t)
	dir := t.TempDir()
	args := []string{"run", "--rm", "-e", "LONG=" + strings.Repeat("x", 100<<10)}
	for i := range 200 {
		args = append(args, "-v", fmt.Sprintf("%s:/mnt/%s%d", dir, strings.Repeat("y", 200), i))
	}
	if out := ok(t, append(args, "box", "sh", "-c", "grep -c /mnt/yyy /proc/self/mountinfo; echo ${#LONG}")...); out != "200\n102400" {
		t.Errorf("%q", out)
	}
}

func TestR12_Users(t *testing.T) {
	id := service(t, "box", "sleep", "1000")
	if single() {
		t.Skip("there is a single id")
	}
	for _, c := range []struct {
		user, want string // uid:gid, or part of the error
	}{
		{"0", "0:0"}, {"root", "0:0"}, {"1", "1:0"}, {"1:2", "1:2"}, {"user", "1000:1000"}, {"user:more", "1000:2000"}, {"user:5", "1000:5"},
		{"01", "1:0"}, {"1000", "1000:1000"}, {"nobody", "unable to find user nobody: no matching entries in passwd file"},
		{"user:none", "unable to find group none: no matching entries in group file"},
		{"-1", "uids and gids must be in range 0-2147483647"}, {"2147483648", "uids and gids must be in range 0-2147483647"},
		{"4294967296", "uids and gids must be in range 0-2147483647"}, {"4294967297", "uids and gids must be in range 0-2147483647"},
		{"99999999999999999999", "uids and gids must be in range 0-2147483647"}, {"0:4294967296", "uids and gids must be in range 0-2147483647"},
		{"1 ", "unable to find user 1 "}, {"１", "unable to find user"}, {"2147483647", "outside of the ids"},
	} {
		for _, args := range [][]string{{"run", "--rm", "-u", c.user, "box"}, {"exec", "-u", c.user, id}} {
			r := try(t, append(args, "sh", "-c", "echo $(id -u):$(id -g)")...)
			if strings.TrimSpace(r.Out) != c.want && (r.Code == 0 || !strings.Contains(r.Err, c.want)) {
				t.Errorf("%s -u %q: %s%s, want %s", args[0], c.user, r.Out, r.Err, c.want)
			}
		}
	}
}

func TestR13_Groups(t *testing.T) {
	need(t)
	if single() {
		t.Skip("there is a single id")
	}
	for _, c := range []struct {
		options []string
		want    string
	}{
		{nil, "0 10"}, {[]string{"-u", "user"}, "1000 10 2000"}, {[]string{"-u", "1000"}, "1000 10 2000"}, {[]string{"-u", "user:more"}, "2000"},
		{[]string{"-u", "1000:0"}, "0"}, {[]string{"-u", "user", "--group-add", "3000"}, "1000 10 2000 3000"}, {[]string{"-u", "5"}, "0"},
	} {
		if got := box(t, "id -G", c.options...); got != c.want {
			t.Errorf("%v: groups %s, want %s", c.options, got, c.want)
		}
	}
	// Membership by the primary group must hold where the mode excludes it.
	if out := box(t, "touch /tmp/f; chown 0:1000 /tmp/f; chmod 070 /tmp/f; su user -c 'cat /tmp/f' && echo read"); out != "read" {
		t.Errorf("a file of the group: %q", out)
	}
}

func TestR14_AccountFilesOfAnyKind(t *testing.T) {
	for name, f := range map[string]testutil.File{
		"fifo":         {Kind: tar.TypeFifo},
		"directory":    {Kind: tar.TypeDir, Mode: 0o755},
		"link to zero": {Kind: tar.TypeSymlink, Link: "/dev/zero"},
		"link outside": {Kind: tar.TypeSymlink, Link: "../../../../../../etc/passwd"},
		"link to self": {Kind: tar.TypeSymlink, Link: "passwd"},
		"huge":         {Size: 16 << 20},
		"binary":       {Text: strings.Repeat("\x00\xff:", 100000)},
	} {
		t.Run(name, func(t *testing.T) {
			f.Name = "etc/passwd"
			img := image(t, f)
			for _, user := range []string{"0", "nobody", "alice"} {
				began := time.Now()
				r := try(t, "run", "--rm", "-u", user, img, "true")
				if user != "0" && r.Code == 0 {
					t.Errorf("found %s", user)
				}
				if took := time.Since(began); took > 5*time.Second {
					t.Errorf("it took %v", took)
				}
			}
		})
	}
}

// No program of the image runs outside of it, whatever its name.
func TestR15_NoProgramOfTheImageRunsOutside(t *testing.T) {
	need(t)
	dir, check := canary(t)
	evil := "#!/bin/busybox sh\n/bin/busybox touch " + dir + "/marker\nexec /bin/busybox sleep 1000\n"
	var files []testutil.File
	for _, n := range []string{"ps", "xz", "unpigz", "gzip", "nsenter", "newuidmap", "newgidmap", "git", "tar", "iptables", "ldconfig"} {
		files = append(files, testutil.File{Name: "bin/" + n, Text: evil, Mode: 0o755}, testutil.File{Name: "usr/bin/" + n, Text: evil, Mode: 0o755})
	}
	img := image(t, files...)
	id := service(t, img, "sleep", "1000")
	for _, args := range [][]string{
		{"exec", id, "true"}, {"logs", id}, {"ps", "-a"}, {"top", id}, {"inspect", id}, {"port", id}, {"rename", id, "r15"}, {"diff", "r15"},
		{"export", "r15"}, {"commit", "r15", "r15-image"}, {"image", "rm", "r15-image"}, {"cp", "r15:/etc/passwd", "-"}, {"stats", "--no-stream", "r15"},
		{"stop", "-t", "0", "r15"}, {"start", "r15"}, {"kill", "r15"}, {"history", img}, {"images"}, {"info"},
	} {
		if r := try(t, args...); r.Code != 0 {
			t.Errorf("%v: exit code %d: %s", args, r.Code, r.Err)
		}
	}
	check()
}
