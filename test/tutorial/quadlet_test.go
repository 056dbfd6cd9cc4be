// SPDX-License-Identifier: Apache-2.0

package tutorial

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"coracle/internal/testutil"
	"coracle/pkg/systemd"
)

// TestQuadlet installs files, and does with their services what systemd would.
func TestQuadlet(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	conf := filepath.Join(u.home, "conf")
	u.env = append(u.env, "XDG_CONFIG_HOME="+conf, "DBUS_SESSION_BUS_ADDRESS=unix:path=/nowhere")
	u.fails(1, []string{"no files"}, "quadlet", "list")
	for name, text := range map[string]string{
		"web.container": "[Container]\nImage=busybox\nContainerName=web-%N\nVolume=data.volume:/data\nNetwork=net.network:alias=www\nEnvironment=\"GREETING=hello  world\"\n" +
			"Exec=sh -c 'trap \"exit 0\" TERM; echo \"$$GREETING\" >/data/x; while :; do sleep 0.1; done'\nHealthCmd=test -f /data/x\nHealthInterval=50ms\nAutoUpdate=registry\n[Install]\nWantedBy=default.target\n",
		"web.container.d/more.conf": "[Container]\nLabel=from=drop-in\n",
		"data.volume":               "[Volume]\nLabel=a=b\n",
		"net.network":               "[Network]\nSubnet=10.99.1.0/24\n",
		"bad.kube":                  "[Kube]\nYaml=x.yml\n",
	} {
		path := filepath.Join(conf, "containers", "systemd", name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	r := u.result("quadlet", "list")
	testutil.Contains(t, r.All(), "web.container", "web.service", "data-volume.service", "bad.kube", "refused", "AutoUpdate=registry has no effect", "Kubernetes' files are not read")
	if r.Code != 1 {
		t.Errorf("code %d", r.Code)
	}
	units := filepath.Join(conf, "systemd", "user")
	testutil.Contains(t, u.result("quadlet", "install", "--dryrun").Out, "---web.service---", "Requires=net-network.service", "--label from=drop-in")
	if _, err := os.Stat(units); err == nil {
		t.Error("a dry run has written")
	}
	testutil.Contains(t, u.result("quadlet", "install").Out, filepath.Join(units, "web.service"), filepath.Join(units, "net-network.service"))
	if to, err := os.Readlink(filepath.Join(units, "default.target.wants", "web.service")); err != nil || to != "../web.service" {
		t.Errorf("enabled: %q %v", to, err)
	}
	testutil.Contains(t, u.ok("systemd", "status"), "web.service")
	command := func(unit, key string) *exec.Cmd {
		text, err := os.ReadFile(filepath.Join(units, unit))
		if err != nil {
			t.Fatal(err)
		}
		p, err := systemd.ParseUnit(string(text))
		if err != nil {
			t.Fatal(err)
		}
		line := strings.TrimPrefix(p.Section("Service").Last(key), "-")
		words, err := systemd.Split(strings.NewReplacer("%N", strings.TrimSuffix(unit, ".service"), "$$", "$").Replace(line))
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(words[0], words[1:]...)
		cmd.Env = u.env
		return cmd
	}
	for range 2 { // also when they are there already
		for _, unit := range []string{"data-volume.service", "net-network.service"} {
			if out, err := command(unit, "ExecStart").CombinedOutput(); err != nil {
				t.Fatalf("%s: %v %s", unit, err, out)
			}
		}
	}
	plain := u.env
	m := managed(t, u)
	if out, err := command("web.service", "ExecStartPre").CombinedOutput(); err != nil {
		t.Errorf("%v %s", err, out)
	}
	main := command("web.service", "ExecStart")
	u.env = plain
	if err := main.Start(); err != nil {
		t.Fatal(err)
	}
	m.hears("READY=1")
	if got := u.ok("exec", "web-web", "cat", "/data/x"); strings.TrimSpace(got) != "hello  world" {
		t.Errorf("%q", got)
	}
	testutil.Contains(t, u.ok("inspect", "-f", "{{json .NetworkSettings.Networks}} {{json .Config.Labels}}", "web-web"), `"systemd-net"`, `"www"`, `"from":"drop-in"`)
	if out, err := command("web.service", "ExecStop").CombinedOutput(); err != nil {
		t.Errorf("%v %s", err, out)
	}
	if err := main.Wait(); err != nil {
		t.Errorf("%v", err)
	}
	u.ok("quadlet", "uninstall", "web.container", "data-volume", "net-network.service")
	if left, _ := filepath.Glob(filepath.Join(units, "*")); len(left) > 0 {
		t.Errorf("%q are left", left)
	}
	u.fails(1, []string{"no service web.service was written"}, "quadlet", "rm", "web")
}
