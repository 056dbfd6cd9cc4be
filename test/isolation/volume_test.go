// SPDX-License-Identifier: Apache-2.0

package isolation

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"coracle/internal/testutil"
)

// A volume on the host is where the test exchanges a directory of a running
// container with a link, as quickly as its program could.
func flippedVolume(t *testing.T, target string) (id string) {
	t.Helper()
	shared := t.TempDir()
	if err := os.MkdirAll(filepath.Join(shared, "d"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(shared, "d", "secret"), []byte("the container's own\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, filepath.Join(shared, "link")); err != nil {
		t.Fatal(err)
	}
	id = service(t, "-v", shared+":/shared", "box", "sleep", "1000")
	flip(t, filepath.Join(shared, "d"), filepath.Join(shared, "link"))
	return id
}

func TestV1_V2_CopyStaysInside(t *testing.T) {
	need(t)
	dir, check := canary(t)
	id := flippedVolume(t, dir)
	out := t.TempDir()
	evil := filepath.Join(t.TempDir(), "evil")
	if err := os.WriteFile(evil, []byte("evil\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	read, written := testutil.NewRounds(t, "copied out"), testutil.NewRounds(t, "copied in")
	for i := range rounds() {
		switch i % 4 {
		case 0:
			read.Ran(try(t, "cp", id+":/shared/d", filepath.Join(out, strconv.Itoa(i))).Code == 0)
		case 1:
			read.Ran(try(t, "cp", "-L", id+":/shared/d/secret", filepath.Join(out, strconv.Itoa(i))).Code == 0)
		case 2:
			written.Ran(try(t, "cp", evil, id+":/shared/d/passwd").Code == 0)
		case 3:
			written.Ran(try(t, "cp", "-a", evil, id+":/shared/d/").Code == 0)
		}
	}
	check()
	err := filepath.WalkDir(out, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if data, _ := os.ReadFile(path); strings.Contains(string(data), "canary") {
				t.Errorf("%s was read from the host", path)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestV9_SubpathBecomesALink mounts a directory of a volume while somebody on
// the volume exchanges it with a link to the host. What is mounted is what was
// looked up.
func TestV9_SubpathBecomesALink(t *testing.T) {
	need(t)
	dir, check := canary(t)
	ok(t, "volume", "create", "flipped")
	defer try(t, "volume", "rm", "-f", "flipped")
	data := filepath.Join(world.home, "root", "volumes", "flipped", "data")
	if err := os.MkdirAll(filepath.Join(data, "a", "b"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(data, "a", "b", "own"), []byte("the volume's own\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Dir(dir), filepath.Join(data, "link")); err != nil {
		t.Fatal(err)
	}
	// The link's way: a/b of the canary's parent, so that there is one.
	if err := os.MkdirAll(filepath.Join(filepath.Dir(dir), "b"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(dir), "b", "own"), []byte("the canary's secret\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	flip(t, filepath.Join(data, "a"), filepath.Join(data, "link"))
	var own, refused, seen int
	for range rounds() {
		if text, _ := os.ReadFile(filepath.Join(data, "a", "b", "own")); strings.Contains(string(text), "canary") {
			seen++ // who looks by name is led astray
		}
		r := try(t, "run", "--rm", "--network", "none", "--mount", "type=volume,src=flipped,dst=/m,volume-subpath=a/b", "box", "cat", "/m/own")
		switch {
		case strings.Contains(r.Out, "canary"):
			t.Fatal("THE HOST'S DIRECTORY WAS MOUNTED")
		case strings.Contains(r.Out, "volume's own"):
			own++
		case strings.Contains(r.Err, "cannot access path"):
			refused++
		default:
			t.Fatalf("code %d: %s%s", r.Code, r.Out, r.Err)
		}
	}
	check()
	t.Logf("%d mounted, %d refused; by name the host was seen %d times", own, refused, seen)
	if own == 0 || refused == 0 || seen == 0 {
		t.Errorf("the attack did not take place: %d mounted, %d refused, %d seen", own, refused, seen)
	}
}

// TestV10_CopyUpStaysInside fills a volume from an image whose directory is a
// link out of it, and streams into a container go through its own links alone.
func TestV10_CopyUpStaysInside(t *testing.T) {
	need(t)
	dir, check := canary(t)
	r := image(t, testutil.File{Name: "link", Kind: tar.TypeSymlink, Link: dir}, testutil.File{Name: "up", Kind: tar.TypeSymlink, Link: "../../../../../.." + dir})
	for _, target := range []string{"/link", "/up"} {
		id := strings.TrimSpace(ok(t, "create", "-v", target, r, "true"))
		if out := ok(t, "run", "--rm", "--volumes-from", id, "box", "sh", "-c", "ls -A "+target); strings.Contains(out, "secret") {
			t.Errorf("%s: the host's files are in the volume: %s", target, out)
		}
		stream, err := testutil.Tar([]testutil.File{{Name: strings.TrimPrefix(target, "/") + "/secret", Text: "evil"}})
		if err != nil {
			t.Fatal(err)
		}
		// The path of the link is made inside the container; nothing is refused.
		if res := world.run(stream, "cp", "-", id+":/"); res.Code != 0 {
			t.Errorf("%s: cp: %s", target, res.Err)
		}
		ok(t, "rm", "-fv", id)
	}
	check()
}

func TestV3_VolumesOfAnImage(t *testing.T) {
	need(t)
	dir, check := canary(t)
	r := build(t, "FROM box\nRUN mkdir /data /link-to && echo image >/data/f && ln -s "+dir+" /escape && ln -s /../../../.."+dir+" /escape2\n"+
		"VOLUME /../../../.."+dir+"\nVOLUME /escape/in\nVOLUME /escape2\nVOLUME /data\n")
	if res := try(t, "run", "--rm", r, "sh", "-c", "cat /data/f; ls "+dir+" /escape/ 2>&1 | grep -c secret"); strings.Contains(res.Out, "1") || res.Code == 0 && !strings.Contains(res.Out, "image") {
		t.Errorf("code %d: %s%s", res.Code, res.Out, res.Err)
	}
	check()
	// A volume with something in it keeps it.
	ok(t, "volume", "create", "kept")
	defer try(t, "volume", "rm", "-f", "kept")
	box(t, "echo mine >/v/f", "-v", "kept:/v")
	if out := ok(t, "run", "--rm", "-v", "kept:/data", r, "cat", "/data/f"); out != "mine" {
		t.Errorf("the volume's file became %q", out)
	}
}

// TestV4_ExportWhileLinksFlip reads a whole volume, and the whole root file
// system, as tar streams while directories in them change places with links.
func TestV4_ExportWhileLinksFlip(t *testing.T) {
	need(t)
	dir, check := canary(t)
	id := flippedVolume(t, dir)
	upper := filepath.Join(world.home, "root", "containers", id, "upper")
	if err := os.Mkdir(filepath.Join(upper, "d"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dir, filepath.Join(upper, "link")); err != nil {
		t.Fatal(err)
	}
	flip(t, filepath.Join(upper, "d"), filepath.Join(upper, "link"))
	whole := testutil.NewRounds(t, "there was an archive with the container's own file")
	for i := range rounds() {
		r := try(t, "cp", id+":/shared", "-")
		whole.Ran(strings.Contains(r.Out, "the container's own"))
		if i%10 == 0 { // a root file system is larger
			r = try(t, "export", id)
		}
		if strings.Contains(r.Out, "canary's secret") || strings.Contains(r.Out, "canary:x:0") {
			t.Fatalf("round %d: the host's file is in the archive", i)
		}
	}
	check()
}

// TestV6_LogIsALink puts a link in the place of a log.
func TestV6_LogIsALink(t *testing.T) {
	need(t)
	dir, check := canary(t)
	id := strings.TrimSpace(ok(t, "create", "--network", "none", "box", "echo", "written"))
	defer try(t, "rm", "-f", id)
	log := filepath.Join(world.home, "root", "containers", id, "container.log")
	if err := os.Symlink(filepath.Join(dir, "secret"), log); err != nil {
		t.Fatal(err)
	}
	if r := try(t, "logs", id); strings.Contains(r.Out+r.Err, "canary's") {
		t.Errorf("logs shows the host's file: %s%s", r.Out, r.Err)
	}
	try(t, "start", "-a", id)
	check()
}

func TestV5_FilesThatTheEngineWrites(t *testing.T) {
	dir, check := canary(t)
	target := filepath.Join(dir, "passwd")
	for _, name := range []string{"etc/hosts", "etc/resolv.conf", "etc/hostname"} {
		for kind, f := range map[string]testutil.File{
			"link out":      {Kind: tar.TypeSymlink, Link: target},
			"link up":       {Kind: tar.TypeSymlink, Link: "../../../../../.." + target},
			"dangling link": {Kind: tar.TypeSymlink, Link: "/none/such"},
			"fifo":          {Kind: tar.TypeFifo},
			"directory":     {Kind: tar.TypeDir, Mode: 0o755},
		} {
			t.Run(name+" "+kind, func(t *testing.T) {
				f.Name = name
				r := try(t, "run", "--rm", image(t, f), "cat", "/"+name)
				if r.Code == 0 && strings.Contains(r.Out, "canary") {
					t.Errorf("the host's file is inside: %s", r.Out)
				}
				// What a link leads to is made inside, where there is none.
				if (r.Code == 0) != (kind != "directory") {
					t.Errorf("exit code %d: %s%s", r.Code, r.Out, r.Err)
				}
				check()
			})
		}
	}
}

// terminal is a terminal of the host, and the process's side of it.
func terminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { master.Close() })
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		slave, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	return master, slave
}

func TestV7_TerminalOfTheHostStaysOutside(t *testing.T) {
	need(t)
	_, slave := terminal(t)
	for _, options := range [][]string{nil, {"-i"}} {
		cmd := world.command(append(append([]string{"run", "--rm"}, options...), "box", "sh", "-c",
			"for n in 0 1 2; do test -t $n && echo $n is a terminal; done; ls -l /proc/self/fd; (: </dev/tty) 2>&1; exit 0")...)
		cmd.Stdin = slave
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Run(); err != nil {
			t.Fatal(err, out.String())
		}
		if s := out.String(); strings.Contains(s, "is a terminal") || strings.Contains(s, "/dev/pts") || !strings.Contains(s, "No such device or address") {
			t.Errorf("%v: %s", options, s)
		}
	}
}

func TestV8_MetadataIsNoTerminalSequence(t *testing.T) {
	need(t)
	const esc = "\x1b[31m"
	id := service(t, "--label", "x="+esc, "box", "sh", "-c", "sleep 1000 #"+esc)
	for _, args := range [][]string{{"ps", "-a"}, {"ps", "-a", "--no-trunc"}, {"inspect", id}, {"images"}} {
		if out := ok(t, args...); strings.Contains(out, "\x1b") {
			t.Errorf("coracle %v prints a raw escape: %q", args, out)
		}
	}
	if r := try(t, "run", "--rm", "--name", "a"+esc, "box", "true"); r.Code != 125 {
		t.Errorf("a name with an escape: %d %q", r.Code, r.Err)
	}
}

// Streams arrive byte for byte, and a line without an end takes no memory.
func TestV8_LogsOfAnyContent(t *testing.T) {
	need(t)
	data := bytes.Repeat([]byte("a\x00\x1b\xff\n\n"), 50_000)
	cmd := world.command("run", "-i", "--name", "v8", "box", "cat")
	defer try(t, "rm", "-f", "v8")
	cmd.Stdin = bytes.NewReader(data)
	if r := testutil.Finish(cmd); r.Out != string(data) {
		t.Errorf("run: %d bytes became %d", len(data), len(r.Out))
	}
	if r := try(t, "logs", "v8"); strings.ToValidUTF8(r.Out, "") != strings.ToValidUTF8(string(data), "") && len(r.Out) < len(data) {
		t.Errorf("logs: %d bytes became %d", len(data), len(r.Out))
	}
	long := world.command("run", "--rm", "box", "sh", "-c", "head -c 50000000 /dev/zero")
	out, err := long.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := long.Start(); err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, out); n != 50_000_000 || err != nil {
		t.Errorf("one long line: %d bytes, %v", n, err)
	}
	if err := long.Wait(); err != nil {
		t.Error(err)
	}
}
