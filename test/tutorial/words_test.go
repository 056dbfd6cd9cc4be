// SPDX-License-Identifier: Apache-2.0

package tutorial

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"coracle/internal/testutil"
)

// TestCtrlCAtAQuestion checks that a question that is left does nothing, ends
// with the code of an interrupt, and gives the terminal back: also where what
// is typed was hidden.
func TestCtrlCAtAQuestion(t *testing.T) {
	u := newUser(t)
	u.ok("volume", "create", "data")
	for _, q := range []struct {
		text string
		args []string
	}{
		{"[y/N] ", []string{"volume", "prune", "-a"}},
		{"[y/N] ", []string{"system", "prune", "-a", "--volumes"}},
		{"Username: ", []string{"login", "127.0.0.1:1"}},
		{"Password: ", []string{"login", "-u", "x", "127.0.0.1:1"}},
	} {
		term := u.terminal(q.args...)
		term.expect(q.text)
		term.press("\x03")
		term.ends(130)
	}
	testutil.Contains(t, u.ok("volume", "ls", "-q"), "data")
	term := u.terminal("volume", "prune", "-a")
	term.expect("[y/N] ")
	term.press("y\n")
	term.expect("Total reclaimed space: 0B")
	term.ends(0)
	if left := u.ok("volume", "ls", "-q"); left != "" {
		t.Errorf("volumes after the prune: %s", left)
	}
}

// TestSystemPruneAndDiskUse checks what df counts, and that a prune takes what
// nobody uses and says how much that was.
func TestSystemPruneAndDiskUse(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	u.ok("run", "--name", "done", "--network", "none", "-v", "named:/named", "-v", "/own", "busybox", "sh", "-c",
		"head -c 3000000 /dev/zero >/big; head -c 5000000 /dev/zero >/named/x; umask 077; mkdir /own/closed; head -c 7000000 /dev/zero >/own/closed/x; chown -R 0 /own")
	u.ok("network", "create", "unused")
	use := func() string {
		return u.ok("system", "df", "--format", "{{.Type}}|{{.TotalCount}}|{{.Active}}|{{.Size}}|{{.Reclaimable}}")
	}
	testutil.Contains(t, use(), "Images|1|1|", "Containers|1|0|3MB|3MB (100%)", "Local Volumes|2|2|12MB|0B (0%)", "Build Cache|0|0|0B|0B")
	testutil.Contains(t, u.ok("system", "df", "-v"), "Images space usage:", "busybox", "Containers space usage:", "done", "Local Volumes space usage:", "Build cache usage: 0B")
	testutil.Contains(t, u.ok("system", "df", "-v", "--format", "{{range .Volumes}}{{.Name}} {{.Links}} {{.Size}};{{end}}"), "named 1 5MB;")
	testutil.Contains(t, u.ok("system", "df", "--format", "json"), `"Type":"Images"`)

	dir := filepath.Join(u.home, "build")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM busybox\nRUN head -c 2000000 /dev/zero >/x\nRUN rm /x\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	u.ok("build", "-q", "--network", "none", "-t", "built", dir)
	u.ok("rmi", "built")

	testutil.Contains(t, u.ok("system", "prune", "-f", "--filter", "label=nosuch"), "Total reclaimed space: 0B")
	testutil.Contains(t, u.ok("ps", "-a", "--format", "{{.Names}}"), "done")
	testutil.Contains(t, u.ok("system", "prune", "-f", "--filter", "until=1h"), "Total reclaimed space: 0B")
	out := u.ok("system", "prune", "-f", "--volumes")
	testutil.Contains(t, out, "Deleted Containers:\n", "Deleted Networks:\nunused\n", "Deleted Volumes:\n", "Total reclaimed space: ")
	if strings.HasSuffix(out, "Total reclaimed space: 0B") {
		t.Error("the prune has freed nothing:", out)
	}
	testutil.Contains(t, use(), "Images|1|0|", "Containers|0|0|0B|0B", "Local Volumes|1|0|5MB|5MB (100%)", "Build Cache|0|0|0B|0B")
	testutil.Contains(t, u.ok("system", "prune", "-af"), "untagged: busybox:latest")
	testutil.Contains(t, u.ok("volume", "prune", "-af"), "Total reclaimed space: 5MB")
	testutil.Contains(t, use(), "Images|0|0|0B|0B", "Local Volumes|0|0|0B|0B")
}

// TestEventsOfEverything checks which events the commands leave, in order.
func TestEventsOfEverything(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	u.ok("network", "create", "net")
	u.ok("run", "--name", "one", "--network", "net", "-v", "vol:/v", "busybox", "true")
	u.ok("commit", "-m", "why", "one", "made:1")
	u.ok("tag", "made:1", "made:2")
	u.ok("cp", "one:/etc/passwd", filepath.Join(u.home, "passwd"))
	u.ok("cp", filepath.Join(u.home, "passwd"), "one:/tmp/")
	u.ok("export", "-o", filepath.Join(u.home, "c.tar"), "one")
	u.ok("save", "-o", filepath.Join(u.home, "made.tar"), "made:1")
	u.ok("load", "-i", filepath.Join(u.home, "made.tar"))
	u.ok("rm", "one")
	u.ok("volume", "rm", "vol")
	u.ok("network", "rm", "net")
	u.ok("rmi", "made:1", "made:2")
	past := func(format string, filters ...string) string {
		args := []string{"events", "--since", "1h", "--until", "0s", "--format", format}
		for _, f := range filters {
			args = append(args, "--filter", f)
		}
		return u.ok(args...)
	}
	for kind, want := range map[string]string{
		"container": "create attach start die commit archive-path extract-to-dir export destroy",
		"volume":    "create mount unmount destroy", "network": "create connect disconnect destroy",
	} {
		if got := strings.Join(strings.Fields(past("{{.Action}}", "type="+kind)), " "); got != want {
			t.Errorf("events of %s:\n got %s\nwant %s", kind, got, want)
		}
	}
	testutil.Contains(t, strings.Join(strings.Fields(past("{{.Action}}", "type=image")), " "), "tag tag save load tag untag untag delete")
	testutil.Contains(t, past("{{json .Actor.Attributes}}", "event=commit"), `"comment":"why"`, `"imageID":"sha256:`, `"imageRef":"made:1"`)
	testutil.Contains(t, past("{{json .Actor.Attributes}}", "event=mount"), `"destination":"/v"`, `"read/write":"true"`, `"container":"`)
	testutil.Contains(t, past("{{.Actor.ID}} {{.Actor.Attributes.name}} {{.Actor.Attributes.type}}", "event=connect"), " net bridge")
	if got := past("{{.Action}}", "daemon=x"); got != "" {
		t.Errorf("events of a daemon: %s", got)
	}
}
