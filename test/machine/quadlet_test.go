// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"coracle/internal/testutil"
)

// The files and commands of docs/systemd.md, as typed.
func testQuadlet(t *testing.T) {
	p := withNginx(t)
	part := section(t, "systemd.md", "Quadlet files")
	text := block(t, part, "ini", 0)
	name, _, _ := strings.Cut(strings.TrimPrefix(text, "# ~/"), "\n")
	p.write(name, text)
	p.write(".config/containers/systemd/pages.volume", "[Volume]\n")
	p.ok("coracle tag nginx docker.io/library/nginx")
	out := p.ok(typed(block(t, part, "console", 0)))
	if want := strings.ReplaceAll("/home/me/.config/systemd/user/web.service\n/home/me/.config/systemd/user/pages-volume.service", "/home/me", "/home/"+full); !sameLines(out, want) {
		t.Errorf("install printed\n%s", out)
	}
	if got := p.unit("web.service", "ActiveState") + " " + p.unit("web.service", "StatusText"); got != "active container systemd-web is healthy" {
		t.Errorf("%s", got)
	}
	serves(t, "8080", "welcome")
	testutil.Contains(t, p.ok("coracle volume ls; coracle quadlet list"), "systemd-pages", "web.container", "active")
	testutil.Contains(t, journal(p, "web.service"), "nginx begins")

	// Restart=always is systemd's here.
	before := p.ok("coracle inspect -f '{{.State.Pid}}' systemd-web")
	root(t, "kill -9 "+before)
	eventually(t, "it was started again", func() bool {
		now := p.login("coracle inspect -f '{{.State.Pid}}' systemd-web")
		return now.Code == 0 && now.Text() != before && now.Text() != "0"
	})
	p.is("web.service", "active")
	p.ok("systemctl --user stop web; coracle quadlet uninstall web.service pages.volume; rm -r ~/.config/containers/systemd")
	if got := p.ok("coracle ps -aq --filter name=systemd-web"); got != "" {
		t.Errorf("left behind: %s", got)
	}
}

func sameLines(a, b string) bool {
	count := map[string]int{}
	for _, l := range strings.Fields(a) {
		count[l]++
	}
	for _, l := range strings.Fields(b) {
		count[l]--
	}
	for _, n := range count {
		if n != 0 {
			return false
		}
	}
	return true
}

// quadlets are one file of each kind that depend on each other, and a container
// that speaks to systemd itself.
func quadlets() map[string]string {
	return map[string]string{
		"things.network":   "[Network]\nSubnet=10.77.0.0/24\n",
		"things.volume":    "[Volume]\nLabel=a=b\n",
		"base.image":       "[Image]\nImage=localhost:5000/base\n",
		"app.build":        "[Build]\nImageTag=localhost/app\nFile=./Containerfile\nSetWorkingDirectory=unit\n",
		"Containerfile":    "FROM localhost:5000/base\nRUN echo built >/built\n",
		"app.container":    "[Unit]\nAfter=base.image\nRequires=base.image\n[Container]\nImage=app.build\nNetwork=things.network\nVolume=things.volume:/data\nExec=sh -c 'cat /built; echo $GREETING; id -u; exec sleep 1000'\nEnvironment=GREETING=%N\nPidsLimit=30\nMemory=48m\nUser=1000\n",
		"other.container":  "[Unit]\nRequires=app.container\nAfter=app.container\n[Container]\nImage=base.image\nNetwork=things.network\nExec=sh -c 'ping -c1 systemd-app && exec sleep 1000'\n[Service]\nRestart=no\n",
		"tells.container":  "[Container]\nImage=base.image\nNotify=true\nVolume=" + kit("machine.test") + ":" + teller + ":ro\nVolume=things.volume:/data\nExec=" + teller + "\nUser=1000\n",
		"templ@.container": "[Container]\nImage=base.image\nExec=sh -c 'echo instance %i; exec sleep 1000'\n",
	}
}

func testQuadletKinds(t *testing.T) {
	p := someone(t, full, true)
	p.ok("coracle tag busybox localhost:5000/base && coracle push -q localhost:5000/base && coracle rmi localhost:5000/base")
	for name, text := range quadlets() {
		p.write(".config/containers/systemd/"+name, text)
	}
	r := p.login("coracle quadlet install && systemctl --user start other templ@one")
	if r.Code != 0 {
		t.Fatalf("%d %s\n%s", r.Code, r.All(), root(t, "journalctl --no-pager -b -n 60 -o cat"))
	}
	for unit, words := range map[string]string{"app.service": "built\napp\n1000", "other.service": "1 packets received", "templ@one.service": "instance one"} {
		p.is(unit, "active")
		eventually(t, unit+" has said it", func() bool { return strings.Contains(journal(p, unit), words) })
	}
	if got := p.ok("coracle exec systemd-app sh -c 'cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max'"); got != "50331648\n30" {
		t.Errorf("%s", got)
	}
	for unit, want := range map[string]string{"things-network": "active", "things-volume": "active", "base-image": "active", "app-build": "inactive"} {
		if got := p.unit(unit, "ActiveState") + " " + p.unit(unit, "Result"); got != want+" success" {
			t.Errorf("%s: %s", unit, got)
		}
	}
	// Notify=true: the program itself says when it is ready.
	p.ok("systemctl --user start --no-block tells")
	eventually(t, "it has begun", func() bool { return p.unit("tells", "StatusText") == "begins" })
	if got := p.unit("tells", "ActiveState"); got != "activating" {
		t.Errorf("before its word: %s", got)
	}
	p.ok("coracle exec --user 0 systemd-app touch /data/go")
	p.is("tells.service", "active")
	p.ok("systemctl --user stop tells")

	// What depends on a service ends before it.
	p.ok("systemctl --user stop app")
	if got := p.unit("other.service", "ActiveState"); got != "inactive" {
		t.Errorf("other is %s without app", got)
	}
	p.ok("systemctl --user stop templ@one; coracle quadlet uninstall other.container app.container app.build base.image tells.container templ@.container things.volume things.network; rm -r ~/.config/containers/systemd")
	p.ok("systemctl --user reset-failed; coracle network rm systemd-things; coracle volume rm systemd-things")
}

// tell is a program that speaks to systemd.
func tell() {
	say := func(what string) {
		c, err := net.Dial("unixgram", os.Getenv("NOTIFY_SOCKET"))
		if err == nil {
			_, err = c.Write([]byte(what))
		}
		if err != nil {
			fmt.Println(err)
		}
	}
	say("STATUS=begins")
	for {
		if _, err := os.Stat("/data/go"); err == nil {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	say("READY=1")
	time.Sleep(time.Hour)
}
