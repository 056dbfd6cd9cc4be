// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"coracle/internal/testutil"
)

// row is one of `coracle doctor --format json`.
type row struct{ Name, State, Found, Lost, Instead, Remedy string }

// doctor is the rows that a script's doctor prints.
func doctor(t *testing.T, r testutil.Result) map[string]row {
	t.Helper()
	var list []row
	if err := json.Unmarshal([]byte(r.Out), &list); err != nil {
		t.Fatalf("%v: %d %s", err, r.Code, r.All())
	}
	rows := map[string]row{}
	for _, x := range list {
		rows[x.Name] = x
	}
	return rows
}

const examine = "coracle doctor --format json"

// What doctor says is so, and what it says that the administrator can do helps.
func testDoctor(t *testing.T) {
	p := someone(t, solo, false)
	rows := doctor(t, p.login(examine))
	for name, state := range map[string]string{
		"user namespaces": "yes", "overlay": "yes", "veth": "yes", "cgroup": "yes", "run directory": "yes", "user's systemd": "yes",
		"subordinate ids": "partly", "lingering": "partly", "cgroup controllers": "partly", "low ports": "partly",
	} {
		if rows[name].State != state {
			t.Errorf("%s: %+v, want %s", name, rows[name], state)
		}
	}
	for _, name := range []string{"subordinate ids", "lingering", "low ports", "ping"} {
		if r := rows[name]; r.State != "yes" {
			_, command, found := strings.Cut(r.Remedy, ": ")
			if !found {
				command = r.Remedy
			}
			root(t, command)
		}
	}
	root(t, "mkdir -p /etc/systemd/system/user@.service.d; printf '[Service]\\n"+
		strings.TrimSuffix(cutAfter(rows["cgroup controllers"].Remedy, "for all controllers: "), " in a drop-in of user@.service")+"\\n' >/etc/systemd/system/user@.service.d/delegate.conf; systemctl daemon-reload; systemctl restart user@$(id -u solo)")
	rows = doctor(t, p.login(examine))
	for _, name := range []string{"subordinate ids", "lingering", "cgroup controllers", "low ports", "ping"} {
		if rows[name].State != "yes" {
			t.Errorf("after its remedy %s: %+v", name, rows[name])
		}
	}
	r := p.login("coracle run --rm --cpuset-cpus 0 --user 1000 busybox sh -c 'id -u; cat /sys/fs/cgroup/cpuset.cpus'")
	if r.Text() != "1000\n0" || r.Err != "" {
		t.Errorf("with all that: %d %s", r.Code, r.All())
	}
	// Back to what the machine had.
	root(t, "rm -r /etc/systemd/system/user@.service.d; systemctl daemon-reload; sed -i /^solo:/d /etc/subuid /etc/subgid; loginctl disable-linger solo; systemctl stop user@$(id -u solo)")

	rows = doctor(t, p.bare(examine))
	for _, name := range []string{"cgroup", "run directory", "user's systemd"} {
		if rows[name].State != "partly" {
			t.Errorf("without a session: %+v", rows[name])
		}
	}
}

func cutAfter(s, before string) string {
	_, after, _ := strings.Cut(s, before)
	return after
}

const restricted = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"

// Where AppArmor keeps user namespaces from programs without a profile, the
// profile that doctor prints gives them to this one.
func testAppArmor(t *testing.T) {
	if _, err := os.Stat(restricted); err != nil {
		t.Skip("this kernel has no kernel.apparmor_restrict_unprivileged_userns")
	}
	p := someone(t, full, true)
	root(t, "echo 1 >"+restricted)
	defer root(t, "echo 0 >"+restricted)
	r := p.login("coracle run --rm busybox echo works")
	if r.Code == 0 || !strings.Contains(r.Err, "AppArmor") || !strings.Contains(r.Err, "coracle doctor --apparmor-profile") {
		t.Errorf("restricted: %d %s", r.Code, r.All())
	}
	said := p.login(examine)
	if namespaces := doctor(t, said)["user namespaces"]; said.Code != 1 || namespaces.State != "no" || !strings.Contains(namespaces.Remedy, "--apparmor-profile") {
		t.Errorf("%d %+v", said.Code, namespaces)
	}
	p.ok("coracle doctor --apparmor-profile >/tmp/profile")
	root(t, "apparmor_parser -r /tmp/profile")
	defer root(t, "apparmor_parser -R /tmp/profile")
	if r := p.login("coracle run --rm -m 64m busybox echo works"); r.Text() != "works" || r.Err != "" {
		t.Errorf("with the profile: %d %s", r.Code, r.All())
	}
	if got := doctor(t, p.login(examine))["user namespaces"]; got.State != "yes" {
		t.Errorf("with the profile: %+v", got)
	}
}
