// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"strings"
	"testing"

	"coracle/internal/testutil"
)

// What is to come back by itself: by a unit of its own, by a quadlet file, by a
// restart policy with the unit of docs/containers.md, and by one with cron; and a
// Compose project by its unit.
func testBeforeReboot(t *testing.T) {
	p := someone(t, full, true)
	p.ok("rm -f .local/share/coracle/told-of-boot")
	note := p.login("coracle create --name policy --restart always busybox sleep 1000")
	testutil.Contains(t, note.Err, "note: nothing starts policy again after a boot", "coracle systemd install policy", "@reboot "+program+" start --boot")
	if again := p.login("coracle create --name second --restart unless-stopped busybox sleep 1000"); again.Err != "" {
		t.Errorf("said twice: %s", again.Err)
	}
	p.ok("coracle start policy second; coracle stop -t 0 second") // by hand: stays down
	part := section(t, "containers.md", "After a boot")
	p.write(".config/systemd/user/coracle-boot.service", block(t, part, "ini", 0))
	p.ok("mkdir -p bin; ln -s " + program + " bin/coracle; systemctl --user daemon-reload; systemctl --user enable coracle-boot")
	p.ok("coracle create --name unit --health-cmd true --health-interval 1s busybox sh -c 'echo boot; exec sleep 1000'; coracle systemd install unit")
	p.write(".config/containers/systemd/quad.container", "[Container]\nImage=busybox\nExec=sleep 1000\n[Install]\nWantedBy=default.target\n")
	p.ok("coracle quadlet install")
	p.write("stack/compose.yaml", stack)
	p.ok("cd stack && coracle compose install") // it has never run

	p = someone(t, solo, false)
	p.ok("rm -f .local/share/coracle/told-of-boot")
	note = p.login("coracle run -d --name cron --restart always busybox sleep 1000")
	testutil.Contains(t, note.Err, "for a unit without a login: loginctl enable-linger solo")
	p.ok("mkdir -p bin; ln -s " + program + " bin/coracle; echo '@reboot ~/bin/coracle start --boot' | crontab -")
}

// runs waits for a container of the user's to run.
func (p person) runs(name string) {
	p.t.Helper()
	eventually(p.t, name+" runs", func() bool { return p.bare("coracle inspect -f '{{.State.Running}}' "+name).Text() == "true" })
}

// Nobody has logged in since the boot.
func testAfterReboot(t *testing.T) {
	p := person{t, full}
	for _, name := range []string{"policy", "unit", "systemd-quad", "stack-web-1"} {
		p.runs(name)
	}
	person{t, solo}.runs("cron")
	p.is("coracle-unit.service", "active")
	testutil.Contains(t, p.unit("coracle-unit.service", "StatusText"), "container unit is healthy")
	testutil.Contains(t, journal(p, "coracle-unit.service"), "boot")
	if got := p.ok("coracle inspect -f '{{.State.Running}}' second"); got != "false" {
		t.Error("what was stopped by hand was started")
	}
	p.ok("systemctl --user disable --now coracle-boot coracle-unit quad; coracle rm -f policy second unit")
	p.ok("systemctl --user stop coracle-compose-stack; coracle compose -p stack uninstall; coracle compose -p stack down")
	p.ok("coracle systemd uninstall unit; coracle quadlet uninstall quad.container; rm -r .config/containers")
	person{t, solo}.ok("crontab -r; coracle rm -f cron")
}

// Where AppArmor and cgroup v2 are missing (systemd.unified_cgroup_hierarchy=0).
func testLegacy(t *testing.T) {
	if root(t, "stat -f -c %T /sys/fs/cgroup") != "tmpfs" {
		t.Skip("this systemd has no cgroup v1 any more")
	}
	p := someone(t, full, true)
	rows := doctor(t, p.login(examine))
	if rows["cgroup"].State == "yes" && rows["cgroup controllers"].State == "yes" {
		t.Errorf("%+v %+v", rows["cgroup"], rows["cgroup controllers"])
	}
	r := p.login("coracle run --rm " + limited + " busybox echo works")
	if r.Text() != "works" || !strings.Contains(r.Err, "memory") {
		t.Errorf("%d %s", r.Code, r.All())
	}
	p.login("coracle run --name big -m 24m busybox sh -c 'exec dd if=/dev/zero of=/dev/null bs=200M count=1000'")
	if got := p.ok("coracle inspect -f '{{.State.OOMKilled}}' big; coracle rm -f big"); !strings.HasPrefix(got, "true") {
		t.Errorf("watched memory: %s", got)
	}
	p.ok("coracle create --name svc busybox sleep 1000; coracle systemd install svc; systemctl --user start coracle-svc")
	p.is("coracle-svc.service", "active")
	p.ok("systemctl --user stop coracle-svc; coracle systemd uninstall svc; coracle rm svc")
}
