// SPDX-License-Identifier: Apache-2.0

package tutorial

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"coracle/internal/testutil"
)

// TestCopyCommitExport takes files out of and into containers, running and
// not, and makes images of what they have become.
func TestCopyCommitExport(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	u.ok("run", "-d", "--name", "box", "--network", "none", "-v", "vol:/vol", "-e", "A=1", "busybox", "sh", "-c", "echo made > /made; rm /bin/vi; sleep 1000")
	testutil.Eventually(t, "the container has made its file", func() bool { return u.result("exec", "box", "cat", "/made").Out == "made\n" })

	u.write("dir/sub/file", "one\n")
	dir := filepath.Join(u.home, "dir")
	u.ok("cp", dir, "box:/tmp")      // into a directory
	u.ok("cp", dir+"/.", "box:/vol") // what is in it, into a volume
	u.ok("cp", dir+"/sub/file", "box:/tmp/renamed")
	if got := u.ok("exec", "box", "sh", "-c", "cd /; find tmp vol -type f | sort; cat tmp/renamed; stat -c %u tmp/renamed"); got != "tmp/dir/sub/file\ntmp/renamed\nvol/sub/file\none\n0" {
		t.Errorf("in the container: %q", got)
	}
	u.ok("cp", "box:/tmp/dir", filepath.Join(u.home, "out"))
	u.ok("cp", "box:/made", u.home)
	for name, want := range map[string]string{"out/sub/file": "one\n", "made": "made\n"} {
		if data, err := os.ReadFile(filepath.Join(u.home, name)); err != nil || string(data) != want {
			t.Errorf("%s: %q %v", name, data, err)
		}
	}
	u.fails(1, []string{"Could not find the file /nosuch in container box"}, "cp", "box:/nosuch", u.home)
	u.fails(1, []string{"must specify at least one container source"}, "cp", "a", "b")
	u.fails(1, []string{"copying between containers is not supported"}, "cp", "box:/a", "box:/b")

	testutil.Contains(t, u.ok("diff", "box"), "A /made", "D /bin/vi", "A /tmp/renamed")
	testutil.Contains(t, u.ok("top", "box"), "PID", "sleep 1000")
	u.ok("commit", "-m", "a message", "-c", `CMD ["cat", "/made"]`, "box", "committed")
	if got := u.ok("run", "--rm", "--network", "none", "committed"); got != "made" {
		t.Errorf("the committed image's command: %q", got)
	}
	if got := u.ok("run", "--rm", "--network", "none", "committed", "sh", "-c", "echo $A; ls /bin/vi 2>&1; ls /vol"); got != "1\nls: /bin/vi: No such file or directory" {
		t.Errorf("in the committed image: %q", got)
	}

	before := u.ok("images", "-aq")
	u.fails(1, []string{"BAD is not a valid change command"}, "commit", "-c", "BAD x", "box")
	if after := u.ok("images", "-aq"); after != before {
		t.Errorf("a refused commit left %q, before %q", after, before)
	}
	u.ok("run", "-d", "--name", "settings", "--network", "none", "-v", "/anonymous", "-v", "vol:/vol", "--expose", "80", "--health-cmd", "true",
		"--stop-signal", "INT", "-l", "a=b", "busybox", "sleep", "1000")
	u.ok("commit", "-c", "EXPOSE 81", "settings", "set")
	if got := u.ok("image", "inspect", "-f", "{{json .Config.Volumes}} {{json .Config.ExposedPorts}} {{.Config.Healthcheck.Test}} {{.Config.StopSignal}} {{.Config.Labels}}", "set"); got != `{"/anonymous":{}} {"80/tcp":{},"81/tcp":{}} [CMD-SHELL true] INT map[a:b]` {
		t.Errorf("the committed settings: %s", got)
	}

	u.ok("stop", "-t", "0", "box")
	u.ok("cp", filepath.Join(u.home, "made"), "box:/etc/made")
	u.ok("cp", "box:/etc/made", filepath.Join(u.home, "again"))
	archive := filepath.Join(u.home, "export.tar")
	u.ok("export", "-o", archive, "box")
	u.ok("import", archive, "exported")
	if got := u.ok("run", "--rm", "--network", "none", "exported", "sh", "-c", "cat /made /etc/made; ls /proc/1 >/dev/null && echo proc"); strings.TrimSpace(got) != "made\nmade\nproc" {
		t.Errorf("in the exported image: %q", got)
	}

	u.ok("save", "-o", filepath.Join(u.home, "saved.tar"), "committed")
	u.ok("rmi", "committed")
	if got := u.ok("load", "-i", filepath.Join(u.home, "saved.tar")); got != "Loaded image: committed:latest" {
		t.Errorf("load: %q", got)
	}
	if got := u.ok("run", "--rm", "--network", "none", "committed"); got != "made" {
		t.Errorf("the loaded image's command: %q", got)
	}
}
