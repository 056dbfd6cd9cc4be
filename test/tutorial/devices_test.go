// SPDX-License-Identifier: Apache-2.0

package tutorial

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// madeUp is a specification of everything that a vendor's can have; HOME stands for
// the user's home.
const madeUp = `
cdiVersion: "0.7.0"
kind: nvidia.com/gpu
containerEdits:
  env: [DRIVER=made-up, ASKED=edits]
  mounts:
    - {hostPath: HOME/driver/libmadeup.so, containerPath: /usr/lib/libmadeup.so, options: [ro, nosuid, nodev, bind]}
    - {hostPath: tmpfs, containerPath: /run/madeup, type: tmpfs, options: [nosuid, size=64k]}
  hooks:
    - {hookName: createRuntime, path: HOME/driver/hook, args: [hook, runtime], env: [OUT=HOME/driver/runtime, PATH=/usr/bin:/bin]}
    - {hookName: createContainer, path: HOME/driver/hook, args: [hook, container], env: [OUT=HOME/driver/container, PATH=/usr/bin:/bin], timeout: 60}
    - {hookName: poststart, path: HOME/driver/hook, args: [hook, started], env: [OUT=HOME/driver/started, PATH=/usr/bin:/bin]}
    - {hookName: poststop, path: HOME/driver/hook, args: [hook, over], env: [OUT=HOME/driver/over, PATH=/usr/bin:/bin]}
    - {hookName: startContainer, path: /bin/touch, args: [touch, /dev/shm/started]}
devices:
  - name: "0"
    containerEdits:
      env: [GPU=0]
      additionalGids: [44]
      deviceNodes:
        - {path: /dev/madeup0, hostPath: HOME/driver/node, type: c, major: 1, minor: 3, permissions: rw}
  - {name: "1", containerEdits: {env: [GPU=1]}}
  - {name: all, containerEdits: {env: [GPU=all]}}
`

// madeUpHook keeps what it is told, and, inside of the container, writes into its
// root, which it finds as vendors' hooks do.
const madeUpHook = `#!/bin/sh
cat >"$OUT"
[ "$1" = container ] || exit 0
bundle=$(sed 's/.*"bundle":"\([^"]*\)".*/\1/' "$OUT")
root=$(sed 's/.*"root":{"path":"\([^"]*\)".*/\1/' "$bundle/config.json")
echo "cache of $(cat "$root/usr/lib/libmadeup.so")" >"$root/etc/madeup.cache"
`

// driver installs a made-up driver, and its specification in the user's directory.
func (u *user) driver() {
	u.t.Helper()
	for name, text := range map[string]string{"driver/libmadeup.so": "library\n", "driver/hook": madeUpHook, ".config/cdi/madeup.yaml": strings.ReplaceAll(madeUp, "HOME", u.home)} {
		path := filepath.Join(u.home, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			u.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			u.t.Fatal(err)
		}
	}
	if err := os.Symlink("/dev/null", filepath.Join(u.home, "driver/node")); err != nil {
		u.t.Fatal(err)
	}
}

func TestDevicesOfSpecifications(t *testing.T) {
	for _, single := range []string{"", "1"} {
		t.Run("single="+single, func(t *testing.T) {
			u := newUser(t)
			u.env = append(u.env, "CORACLE_SINGLE_ID="+single)
			u.image("busybox.tar", "busybox")
			u.driver()
			out := u.ok("run", "--rm", "-e", "ASKED=user", "--device", "nvidia.com/gpu=0", "busybox", "sh", "-c",
				`echo $DRIVER $GPU $ASKED; cat /usr/lib/libmadeup.so /etc/madeup.cache; echo x >/usr/lib/libmadeup.so; echo x >/dev/madeup0 && stat -c %t:%T /dev/madeup0; ls /dev/shm/started; grep -c /run/madeup /proc/mounts`)
			if want := "made-up 0 edits\nlibrary\ncache of library\n1:3\n/dev/shm/started\n1"; out != want {
				t.Errorf("got %q, want %q", out, want)
			}
			for hook, status := range map[string]string{"runtime": "creating", "started": "running", "over": "stopped"} {
				if told, _ := os.ReadFile(filepath.Join(u.home, "driver", hook)); !strings.Contains(string(told), `"status":"`+status+`"`) {
					t.Errorf("%s was told %q", hook, told)
				}
			}
			if groups := u.ok("run", "--rm", "-u", "1000:1000", "--device", "nvidia.com/gpu=0", "busybox", "id", "-G"); groups != "1000 44" {
				t.Errorf("groups %q", groups)
			}
			for flag, want := range map[string]string{"all": "all", "1": "0", "device=1": "1", "driver=nvidia": "0"} {
				if got := u.ok("run", "--rm", "--gpus", flag, "busybox", "sh", "-c", "echo $GPU"); got != want {
					t.Errorf("--gpus %s: %q, want %q", flag, got, want)
				}
			}
		})
	}
}

// TestSpecificationsAreReadAtEachStart changes and removes a file between the starts
// of one container.
func TestSpecificationsAreReadAtEachStart(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	u.driver()
	u.ok("create", "--name", "gpus", "--gpus", "all", "busybox", "sh", "-c", "echo $DRIVER $GPU")
	if got := u.ok("inspect", "-f", "{{json .HostConfig.DeviceRequests}}", "gpus"); got != `[{"Driver":"","Count":-1,"DeviceIDs":null,"Capabilities":[["gpu"]],"Options":{}}]` {
		t.Error(got)
	}
	file := filepath.Join(u.home, ".config/cdi/madeup.yaml")
	for _, driver := range []string{"made-up", "newer"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(text), "DRIVER=made-up", "DRIVER="+driver)), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := u.ok("start", "-a", "gpus"); got != driver+" all" {
			t.Errorf("%q, want the file of %s", got, driver)
		}
	}
	if info := u.ok("info"); !strings.Contains(info, "  "+filepath.Dir(file)+"\n") || !strings.Contains(info, "  cdi: nvidia.com/gpu=all\n") {
		t.Errorf("info says %s", info)
	}
	if err := os.WriteFile(file, []byte("kind: ["), 0o600); err != nil {
		t.Fatal(err)
	}
	u.fails(1, []string{"CDI device injection failed: unresolvable CDI devices nvidia.com/gpu=all", "madeup.yaml"}, "start", "gpus")
	u.fails(125, []string{`could not select device driver "" with capabilities: [[gpu]]`, "hint: "}, "run", "--rm", "--gpus", "all", "busybox", "true")
	if r := u.result("info"); !strings.Contains(r.All(), "WARNING: CDI: "+file) {
		t.Errorf("info says %s", r.All())
	}
}

// TestSpecificationsThatCannotBe asks for devices whose files want what is not there
// or cannot be, and checks that nothing gets out of the container's root.
func TestSpecificationsThatCannotBe(t *testing.T) {
	u := newUser(t)
	u.image("busybox.tar", "busybox")
	u.driver()
	target := filepath.Join(u.home, "target")
	for file, text := range map[string]string{
		"a.json": `{"cdiVersion":"1.1.0","kind":"v.com/d","devices":[{"name":"nohost","containerEdits":{"deviceNodes":[{"path":"/dev/x","hostPath":"/dev/nosuch"}]}},
			{"name":"file","containerEdits":{"deviceNodes":[{"path":"/dev/x","hostPath":"/etc/passwd"}]}},
			{"name":"nomount","containerEdits":{"mounts":[{"hostPath":"/nosuch","containerPath":"/x"}]}},
			{"name":"hook","containerEdits":{"hooks":[{"hookName":"createContainer","path":"/bin/sh","args":["sh","-c","echo no card >&2; exit 1"]}]}},
			{"name":"late","containerEdits":{"hooks":[{"hookName":"poststart","path":"/bin/false"}]}},
			{"name":"last","containerEdits":{"hooks":[{"hookName":"poststop","path":"/bin/false"}]}},
			{"name":"net","containerEdits":{"netDevices":[{"hostInterfaceName":"eth0","name":"eth0"}]}},
			{"name":"twice","containerEdits":{"env":["A=b"]}},
			{"name":"up","containerEdits":{"mounts":[{"hostPath":"/dev/null","containerPath":"/../../../` + target + `"}]}},
			{"name":"link","containerEdits":{"mounts":[{"hostPath":"/dev/null","containerPath":"/link/x"}]}}]}`,
		"b.json": `{"cdiVersion":"0.5.0","kind":"v.com/d","devices":[{"name":"twice","containerEdits":{"env":["A=c"]}}]}`,
	} {
		if err := os.WriteFile(filepath.Join(u.home, ".config/cdi", file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for device, words := range map[string][]string{
		"nohost":  {`failed to stat CDI host device "/dev/nosuch": no such file or directory`},
		"file":    {`CDI device "/etc/passwd": not a device node`},
		"nomount": {"mount /x: ", "no such file or directory"},
		"hook":    {"hooks.createContainer[0]: /bin/sh: exit status 1: no card"},
		"late":    {"hooks.poststart[0]: /bin/false: exit status 1"},
		"net":     {"netDevices are not supported"},
		"twice":   {"unresolvable CDI devices v.com/d=twice", "described by both"},
	} {
		u.fails(125, words, "run", "--rm", "--device", "v.com/d="+device, "busybox", "sleep", "60")
	}
	u.ok("run", "--rm", "--device", "v.com/d=last", "busybox", "true") // it is over
	if got := u.ok("run", "--rm", "--device", "v.com/d=up", "busybox", "stat", "-c", "%F", target); got != "character special file" {
		t.Errorf("what is above the root is %q", got)
	}
	u.ok("run", "--name", "linked", "busybox", "ln", "-s", u.home, "/link")
	u.ok("commit", "linked", "linked")
	u.result("run", "--rm", "--device", "v.com/d=link", "linked", "true")
	for _, path := range []string{target, filepath.Join(u.home, "x")} {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s was made on the host", path)
		}
	}
}
