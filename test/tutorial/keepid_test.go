// SPDX-License-Identifier: Apache-2.0

package tutorial

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"coracle/pkg/ids"
)

// copies are the layers that were copied with other owners.
func (u *user) copies() []string {
	u.t.Helper()
	list, err := filepath.Glob(filepath.Join(u.home, "root/storage/overlay/*/keep-*"))
	if err != nil {
		u.t.Fatal(err)
	}
	return list
}

// hostOwner is whose a file is on the host.
func (u *user) hostOwner(name string) int {
	u.t.Helper()
	info, err := os.Lstat(filepath.Join(u.home, name))
	if err != nil {
		u.t.Fatal(err)
	}
	return int(info.Sys().(*syscall.Stat_t).Uid)
}

const keep1000 = "--userns=keep-id:uid=1000,gid=1000"

// owned has files of several owners, and two layers over each other.
const owned = `FROM busybox
RUN mkdir /d && touch /d/root /d/five /d/thousand && chown 5:5 /d/five && chown 1000:1000 /d/thousand && mkdir /d/gone /d/opaque && touch /d/opaque/old
RUN rm -r /d/gone /d/opaque && mkdir /d/opaque && touch /d/opaque/new
USER 5
`

// TestKeepID: the caller is himself inside, files have the owners that the image
// gives them, and what is written in a bind is the caller's on both sides.
func TestKeepID(t *testing.T) {
	u := newUser(t)
	if m, err := ids.HostMaps(); err != nil || m.Single() {
		t.Skip("this host gives one id: see TestKeepIDWithOneID")
	}
	u.image("busybox.tar", "busybox")
	u.write("context/Dockerfile", owned)
	u.ok("build", "-q", "-t", "owned", u.home+"/context")
	u.write("work/theirs", "")
	bind := u.home + "/work:/work"

	const look = `echo $(id -u):$(id -g):$(id -un); touch /work/ours; cd /d; stat -c '%u:%g %n' / * opaque/* /work /work/* /etc/hosts`
	r := u.result("run", "--rm", keep1000, "-v", bind, "owned", "sh", "-c", look)
	name := strings.Fields(r.Text() + " ::?")[0]
	want := name + "\n0:0 /\n5:5 five\n0:0 opaque\n0:0 root\n1000:1000 thousand\n0:0 opaque/new\n1000:1000 /work\n1000:1000 /work/ours\n1000:1000 /work/theirs\n0:0 /etc/hosts"
	if r.Code != 0 || r.Text() != want || !strings.HasPrefix(name, "1000:1000:") || name == "1000:1000:unknown" {
		t.Errorf("%d: %s\nwant %s", r.Code, r.All(), want)
	}
	if !strings.Contains(r.Err, "copying the image's layers") {
		t.Errorf("the first start is silent: %q", r.Err)
	}
	if got := u.hostOwner("work/ours"); got != os.Getuid() {
		t.Errorf("on the host the file is %d's", got)
	}
	first := u.copies()
	if r := u.result("run", "--rm", keep1000, "owned", "true"); r.Code != 0 || r.Err != "" || len(u.copies()) != len(first) || len(first) == 0 {
		t.Errorf("the second start: %s; copies %q, then %q", r.All(), first, u.copies())
	}

	// Another user is asked for, or a process joins: the same owners.
	if out := u.ok("run", "--rm", keep1000, "-u", "5", "owned", "stat", "-c", "%u", "/d/five"); out != "5" {
		t.Error(out)
	}
	u.env = append(u.env, "CORACLE_USERNS=keep-id")
	if out := u.ok("run", "--rm", "owned", "id", "-u"); out != fmt.Sprint(os.Getuid()) {
		t.Errorf("by default: %s", out)
	}
	if out := u.ok("run", "--rm", "--userns=host", "owned", "id", "-u"); out != "5" {
		t.Errorf("host: %s", out)
	}
	u.env = u.env[:len(u.env)-1]
	if out := u.ok("rmi", "owned"); !strings.Contains(out, "Deleted") {
		t.Error(out)
	}
	if left := u.copies(); len(left) > 2 { // those of busybox, for two maps
		t.Errorf("copies of an image that is gone: %q", left)
	}
}

// TestKeepIDGoesOn: what was written by a container that keeps an id has its
// owners in an image, an archive and a volume.
func TestKeepIDGoesOn(t *testing.T) {
	u := newUser(t)
	if m, err := ids.HostMaps(); err != nil || m.Single() {
		t.Skip("this host gives one id")
	}
	u.image("busybox.tar", "busybox")
	u.write("context/Dockerfile", owned)
	u.ok("build", "-q", "-t", "owned", u.home+"/context")
	u.write("work/theirs", "")
	u.ok("run", "-d", "--name", "box", keep1000, "-v", "vol:/d", "owned", "sleep", "1000")
	if out := u.ok("exec", "box", "id", "-u"); out != "1000" {
		t.Error(out)
	}
	if out := u.ok("exec", "box", "stat", "-c", "%u:%g", "/d/five", "/d/thousand", "/d"); out != "5:5\n1000:1000\n0:0" {
		t.Errorf("the volume: %s", out)
	}
	if out := u.ok("inspect", "-f", "{{.HostConfig.UsernsMode}} {{.Config.User}}", "box"); out != strings.TrimPrefix(keep1000, "--userns=")+" 1000:1000" {
		t.Error(out)
	}
	u.ok("exec", "-u", "0", "box", "sh", "-c", "mkdir /e; touch /e/root /e/seven /e/kept; chown 7:7 /e/seven; chown 1000:1000 /e/kept")
	const owners = "0:0 /e\n1000:1000 /e/kept\n0:0 /e/root\n7:7 /e/seven"
	look := []string{"stat", "-c", "%u:%g %n", "/e", "/e/kept", "/e/root", "/e/seven"}
	u.ok("commit", "box", "made")
	if out := u.ok(append([]string{"run", "--rm", "made"}, look...)...); out != owners {
		t.Errorf("the image: %s", out)
	}
	if out := u.ok("inspect", "-f", "{{.Config.User}}", "made"); out != "5" {
		t.Errorf("its user: %q", out)
	}
	if out := u.ok("diff", "box"); !strings.Contains(out, "A /e/seven") || strings.Contains(out, "/d") {
		t.Errorf("changes: %s", out)
	}
	for _, state := range []string{"running", "stopped"} {
		u.ok("export", "-o", u.home+"/"+state, "box")
		u.ok("import", u.home+"/"+state, state)
		if out := u.ok(append([]string{"run", "--rm", state}, look...)...); out != owners {
			t.Errorf("the archive of one that is %s: %s", state, out)
		}
		u.ok("cp", u.home+"/work/", "box:/in-"+state)
		u.ok("stop", "-t", "0", "box")
	}
	u.ok("create", "--name", "late", "--userns=keep-id:uid=1001", "busybox", "id", "-u")
	if r := u.result("start", "-a", "late"); r.Text() != "1001" || !strings.Contains(r.Err, "copying the image's layers") {
		t.Errorf("created, and started later: %s", r.All())
	}
	u.ok("start", "box")
	if out := u.ok("exec", "box", "stat", "-c", "%u:%g", "/in-running", "/in-stopped", "/"); out != "1000:1000\n1000:1000\n0:0" {
		t.Errorf("copied in: %s", out)
	}
	u.fails(125, []string{"another --userns"}, "run", "--rm", "--network", "container:box", "busybox", "true")
	if out := u.ok("run", "--rm", "--network", "container:box", keep1000, "busybox", "id", "-u"); out != "1000" {
		t.Errorf("on the same network: %s", out)
	}
	u.keepsOnNetwork()
}

// keepsOnNetwork has a container on the network of box, of whom its files are.
func (u *user) keepsOnNetwork() {
	u.t.Helper()
	u.ok("run", "-d", "--name", "beside", "--network", "container:box", keep1000, "busybox", "sleep", "1000")
	if out := u.ok("exec", "beside", "id", "-u") + u.ok("exec", "-u", "0", "beside", "id", "-u"); out != "10000" {
		u.t.Errorf("on the network of another: %s", out)
	}
	u.ok("rm", "-f", "beside")
}

// TestKeepIDWithOneID: there is nobody else, so all files are the caller's.
func TestKeepIDWithOneID(t *testing.T) {
	u := newUser(t)
	u.env = append(u.env, "CORACLE_SINGLE_ID=1")
	u.image("busybox.tar", "busybox")
	u.write("work/theirs", "")
	const look = "id -u; id -g; touch /work/ours; stat -c %u:%g /etc /work/ours /work/theirs"
	r := u.result("run", "--rm", keep1000, "-v", u.home+"/work:/work", "busybox", "sh", "-c", look)
	if r.Text() != "1000\n1000\n1000:1000\n1000:1000\n1000:1000" || r.Err != "" {
		t.Error(r.All())
	}
	if got := u.hostOwner("work/ours"); got != os.Getuid() || len(u.copies()) > 0 {
		t.Errorf("on the host the file is %d's; copies %q", got, u.copies())
	}
	u.ok("run", "-d", "--name", "box", keep1000, "busybox", "sleep", "1000")
	if out := u.ok("exec", "box", "id", "-u") + u.ok("exec", "-u", "0", "box", "id", "-u"); out != "10000" {
		t.Error(out)
	}
	// Root has a container's capabilities, and he alone.
	if out := u.ok("exec", "-u", "0", "box", "chroot", "/", "id", "-u"); out != "0" {
		t.Error(out)
	}
	for _, user := range []string{"1000", "5"} {
		if r := u.result("exec", "-u", user, "box", "chroot", "/", "id"); r.Code == 0 || !strings.Contains(r.All(), "not permitted") {
			t.Errorf("user %s: %s", user, r.All())
		}
	}
	u.keepsOnNetwork()
}
