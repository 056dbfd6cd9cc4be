// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"coracle/internal/testutil"
)

// nginx is an image with what the docs suppose of it.
const nginx = `FROM busybox
RUN printf '#!/bin/sh\nshift\nexec wget -q -O - "$1"\n' >/bin/curl && chmod 755 /bin/curl && mkdir -p /usr/share/nginx/html && echo welcome >/usr/share/nginx/html/index.html
CMD ["sh", "-c", "echo nginx begins; exec httpd -f -v -p 80 -h /usr/share/nginx/html"]
`

// withNginx is someone who has it.
func withNginx(t *testing.T) person {
	t.Helper()
	p := someone(t, full, true)
	if p.login("coracle image inspect nginx").Code != 0 {
		p.write("nginx/Dockerfile", nginx)
		p.ok("coracle build -q -t nginx nginx")
	}
	return p
}

// unit is a property of a unit of the user's.
func (p person) unit(name, property string) string {
	p.t.Helper()
	return p.ok("systemctl --user show -P " + property + " " + name)
}

// is waits for a unit to be in a state.
func (p person) is(name, state string) {
	p.t.Helper()
	eventually(p.t, name+" is "+state, func() bool { return p.unit(name, "ActiveState") == state })
}

// journal is what a unit of the user's said since the boot.
func journal(p person, unit string) string {
	p.t.Helper()
	return root(p.t, "journalctl --no-pager -b -o cat _SYSTEMD_USER_UNIT="+unit)
}

// serves waits until a port answers with a word.
func serves(t *testing.T, port, word string) {
	t.Helper()
	eventually(t, "port "+port+" serves", func() bool {
		return strings.Contains(finish("curl", "-s", "-m", "20", "http://127.0.0.1:"+port+"/").Out, word)
	})
}

// The commands of docs/systemd.md, as typed.
func testUnit(t *testing.T) {
	p := withNginx(t)
	part := section(t, "systemd.md", "A container that is there")
	p.ok(typed(block(t, part, "console", 0)))
	const name = "coracle-web.service"
	if got := p.unit(name, "ActiveState") + " " + p.unit(name, "StatusText"); got != "active container web runs" {
		t.Errorf("%s", got)
	}
	serves(t, "8080", "welcome")
	if got, want := p.ok("coracle systemd print web"), strings.TrimSpace("# coracle-web.service\n"+block(t, part, "ini", 0)); got != want {
		t.Errorf("the unit is\n%s\nand the docs say\n%s", got, want)
	}
	testutil.Contains(t, p.ok("coracle systemd status"), name+"   yes", "active", "lingering: on")
	testutil.Contains(t, journal(p, name), "nginx begins")
	testutil.Contains(t, p.ok("journalctl --user --no-pager -b -o cat -t web"), "nginx begins")
	// All of it is in the service's cgroup: systemd can end it, and counts it.
	group := p.unit(name, "ControlGroup")
	if got := root(t, "cat /proc/"+p.ok("coracle inspect -f '{{.State.Pid}}' web")+"/cgroup"); !strings.Contains(got, group+"/coracle-") {
		t.Errorf("the container is in %s, the service in %s", got, group)
	}
	p.ok("coracle pause web; coracle unpause web; coracle update -m 100m --memory-swap 100m web")
	if got := root(t, "cat /sys/fs/cgroup"+group+"/coracle-*/memory.max"); !strings.Contains(got, "104857600") {
		t.Errorf("updated: %s", got)
	}
	p.ok("systemctl --user stop " + name)
	if got := p.unit(name, "ActiveState") + " " + p.unit(name, "Result"); got != "inactive success" {
		t.Errorf("stopped: %s\n%s", got, journal(p, name))
	}
	testutil.Contains(t, p.ok("coracle ps -a"), "Exited (")
	p.ok("systemctl --user start " + name)
	p.ok("coracle stop web") // by hand: no failure, and not started again
	p.is(name, "inactive")
	p.ok("coracle systemd uninstall web; coracle rm web")
	if got := p.unit(name, "LoadState"); got != "not-found" {
		t.Errorf("uninstalled: %s", got)
	}
}

// A service is ready when the container is healthy, and says how it is.
func testHealth(t *testing.T) {
	p := someone(t, full, true)
	p.ok("coracle create --name ill --health-cmd 'test -f /well' --health-interval 2s busybox sleep 1000; coracle systemd install ill; systemctl --user start --no-block coracle-ill")
	const name = "coracle-ill.service"
	eventually(t, "it runs", func() bool { return p.login("coracle exec ill true").Code == 0 })
	eventually(t, "its health is said", func() bool { return strings.Contains(p.unit(name, "StatusText"), "health: starting") })
	if got := p.unit(name, "ActiveState"); got != "activating" {
		t.Errorf("before it is well: %s", got)
	}
	p.ok("coracle exec ill touch /well")
	p.is(name, "active")
	if got := p.unit(name, "StatusText"); got != "container ill is healthy" {
		t.Errorf("%s", got)
	}
	p.ok("systemctl --user stop coracle-ill; coracle systemd uninstall ill; coracle rm ill")
}

// The service ends as the container does.
func testExitStatus(t *testing.T) {
	p := someone(t, full, true)
	p.ok("coracle create --name three busybox sh -c 'sleep 1; exit 3'; coracle create --name fine busybox true; coracle systemd install three; coracle systemd install fine")
	p.ok("coracle create --name stays --restart on-failure --stop-timeout 1 busybox sleep 1000; coracle systemd install stays; systemctl --user start coracle-stays; coracle stop stays")
	p.is("coracle-stays.service", "inactive") // though it had to be killed
	if got := p.unit("coracle-stays", "Result") + " " + p.unit("coracle-stays", "NRestarts"); got != "success 0" {
		t.Errorf("stopped by hand: %s", got)
	}
	p.ok("systemctl --user start coracle-three")
	p.is("coracle-three.service", "failed")
	if got := p.unit("coracle-three", "Result") + " " + p.unit("coracle-three", "ExecMainStatus"); got != "exit-code 3" {
		t.Errorf("%s", got)
	}
	p.ok("systemctl --user start coracle-fine")
	p.is("coracle-fine.service", "inactive")
	p.ok("for n in three fine stays; do coracle systemd uninstall $n; coracle rm $n; done; systemctl --user reset-failed")
}

// A container whose supervisor was killed is started again.
func testSupervisorKilled(t *testing.T) {
	p := someone(t, full, true)
	p.ok("coracle create --name again --restart always busybox sleep 1000; coracle systemd install again; systemctl --user start coracle-again")
	pid := p.ok("coracle inspect -f '{{.State.Pid}}' again")
	supervisor := root(t, "ps -o ppid= -p "+pid)
	root(t, "kill -9 "+supervisor)
	eventually(t, "it runs again", func() bool {
		now := p.login("coracle inspect -f '{{.State.Running}} {{.State.Pid}}' again").Text()
		return strings.HasPrefix(now, "true ") && now != "true "+pid
	})
	if got := p.unit("coracle-again", "NRestarts"); got != "1" {
		t.Errorf("started again %s times\n%s", got, journal(p, "coracle-again.service"))
	}
	p.is("coracle-again.service", "active")
	p.ok("systemctl --user stop coracle-again; coracle systemd uninstall again; coracle rm again")
}

// The first connection to a published port starts its container.
func testSocket(t *testing.T) {
	p := withNginx(t)
	p.ok("coracle create --name sock -p 127.0.0.1:8081:80 nginx; coracle systemd install --socket sock; systemctl --user start coracle-sock.socket")
	if got := p.unit("coracle-sock.service", "ActiveState"); got != "inactive" {
		t.Errorf("before a connection: %s", got)
	}
	serves(t, "8081", "welcome")
	p.is("coracle-sock.service", "active")
	p.ok("systemctl --user stop coracle-sock.socket coracle-sock.service; coracle systemd uninstall sock; coracle rm sock")
}

// A unit of the system runs the container as its user, without a manager of theirs.
func testSystemUnit(t *testing.T) {
	p := someone(t, full, false)
	p.ok("coracle create --name sys -m 48m busybox sh -c 'id -u; cat /sys/fs/cgroup/memory.max; exec sleep 1000'")
	unit := p.ok("coracle systemd print --system sys")
	eventually(t, "the user has no manager", func() bool { return finish("systemctl", "is-active", "-q", "user@1000").Code != 0 })
	if err := os.WriteFile(filepath.Join("/etc/systemd/system", "coracle-sys.service"), []byte(unit), 0o644); err != nil {
		t.Fatal(err)
	}
	root(t, "systemctl daemon-reload; systemctl start coracle-sys")
	if got := root(t, "systemctl show -P StatusText coracle-sys"); got != "container sys runs" {
		t.Errorf("%s", got)
	}
	eventually(t, "its output is in the journal", func() bool {
		return strings.Contains(root(t, "journalctl --no-pager -b -o cat -u coracle-sys"), "50331648")
	})
	// Whoever is logged in has another run directory, and the same containers.
	if got := p.ok("coracle exec sys echo reached"); got != "reached" {
		t.Errorf("from a session: %s", got)
	}
	root(t, "systemctl stop coracle-sys")
	if got := root(t, "systemctl show -P Result coracle-sys"); got != "success" {
		t.Errorf("stopped: %s", got)
	}
	root(t, "rm /etc/systemd/system/coracle-sys.service; systemctl daemon-reload")
	p.bare("coracle rm -f sys")
}

// stack is a Compose project of two services.
const stack = `services:
  db: {image: busybox, command: sleep 1000, init: true, healthcheck: {test: "true", interval: 1s}}
  web: {image: busybox, command: sleep 1000, init: true, depends_on: {db: {condition: service_healthy}}}
`

// A project's unit starts and stops its services, and holds them in its cgroup.
func testCompose(t *testing.T) {
	p := someone(t, full, true)
	p.write("shop/compose.yaml", stack)
	const name = "coracle-compose-my-stack.service"
	p.ok("cd shop && coracle compose -p my-stack install && systemctl --user start " + name)
	if got := p.unit(name, "ActiveState") + " " + p.unit(name, "SubState"); got != "active exited" {
		t.Errorf("started: %s\n%s", got, journal(p, name))
	}
	group := p.unit(name, "ControlGroup")
	for _, c := range []string{"my-stack-db-1", "my-stack-web-1"} {
		if got := root(t, "cat /proc/"+p.ok("coracle inspect -f '{{.State.Pid}}' "+c)+"/cgroup"); !strings.Contains(got, group+"/coracle-") {
			t.Errorf("%s is in %s, the service in %s", c, got, group)
		}
	}
	testutil.Contains(t, p.ok("cd shop && coracle compose -p my-stack status"), name+"   yes", "active", "lingering: on")
	p.ok("systemctl --user stop " + name)
	if got := p.unit(name, "ActiveState") + " " + p.unit(name, "Result"); got != "inactive success" {
		t.Errorf("stopped: %s\n%s", got, journal(p, name))
	}
	if got := p.ok("coracle compose -p my-stack ps -q --status running"); got != "" {
		t.Errorf("still runs: %s", got)
	}
	p.ok("coracle compose -p my-stack uninstall; coracle compose -p my-stack down")
	if got := p.unit(name, "LoadState"); got != "not-found" {
		t.Errorf("uninstalled: %s", got)
	}
}
