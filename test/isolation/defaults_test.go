// SPDX-License-Identifier: Apache-2.0

package isolation

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"coracle/internal/testutil"
)

// status reads fields of /proc/self/status as a process of the container has
// them.
func status(text string) map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(text) {
		if k, v, is := strings.Cut(line, ":"); is {
			m[k] = strings.Join(strings.Fields(v), " ")
		}
	}
	return m
}

// twelve are the default capabilities as a mask: CHOWN DAC_OVERRIDE FOWNER
// FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE SYS_CHROOT SETFCAP.
const twelve, none = "00000000800425fb", "0000000000000000"

func TestR11_Capabilities(t *testing.T) {
	need(t)
	id := service(t, "box", "sleep", "1000")
	for _, c := range []struct {
		name           string
		command        []string
		effective, bnd string
	}{
		{"run", []string{"run", "--rm", "box"}, twelve, twelve},
		{"run as user", []string{"run", "--rm", "-u", "1000", "box"}, none, twelve},
		{"exec", []string{"exec", id}, twelve, twelve},
		{"exec as user", []string{"exec", "-u", "1000", id}, none, twelve},
		{"drop all", []string{"run", "--rm", "--cap-drop", "ALL", "box"}, none, none},
		{"add one", []string{"run", "--rm", "--cap-drop", "all", "--cap-add", "net_raw", "box"}, "0000000000002000", "0000000000002000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if strings.HasSuffix(c.name, "user") && single() {
				t.Skip("there is a single id")
			}
			s := status(ok(t, append(c.command, "cat", "/proc/self/status")...))
			got := []string{s["CapInh"], s["CapPrm"], s["CapEff"], s["CapBnd"], s["CapAmb"]}
			want := []string{none, c.effective, c.effective, c.bnd, none}
			if !slices.Equal(got, want) {
				t.Errorf("inheritable, permitted, effective, bounding, ambient:\n%v, want\n%v", got, want)
			}
			if s["Seccomp"] != "2" || s["NoNewPrivs"] != "0" {
				t.Errorf("seccomp %s, no_new_privs %s", s["Seccomp"], s["NoNewPrivs"])
			}
		})
	}
}

// single reports whether this user has no subordinate ids.
func single() bool {
	r := world.run(nil, "run", "--rm", "box", "cat", "/proc/self/uid_map")
	return len(strings.Split(strings.TrimSpace(r.Out), "\n")) == 1 && strings.HasSuffix(strings.TrimSpace(r.Out), " 1")
}

func TestNoNewPrivileges(t *testing.T) {
	s := status(box(t, "cat /proc/self/status", "--security-opt", "no-new-privileges"))
	if s["NoNewPrivs"] != "1" || s["Seccomp"] != "2" {
		t.Errorf("no_new_privs %s, seccomp %s", s["NoNewPrivs"], s["Seccomp"])
	}
}

func TestK5_MaskedPaths(t *testing.T) {
	paths := []string{
		"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
		"/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats",
		"/sys/devices/virtual/powercap", "/sys/firmware", "/sys/fs/selinux",
	}
	throttle, _ := filepath.Glob("/sys/devices/system/cpu/cpu*/thermal_throttle")
	args := append([]string{"run", "--rm", "box", "sh", "-c",
		`for p in "$@"; do if [ -d $p ]; then echo $p: $(ls -A $p | wc -l); elif [ -e $p ]; then echo $p: $(cat $p | wc -c); fi; done`, "sh"},
		append(paths, throttle...)...)
	looked := testutil.NewRounds(t, "there was a path to hide")
	for line := range strings.Lines(ok(t, args...)) {
		looked.Ran(strings.HasPrefix(line, "/proc/keys:") || strings.HasPrefix(line, "/proc/kcore:"))
		if !strings.HasSuffix(strings.TrimSpace(line), ": 0") {
			t.Errorf("not hidden: %s", line)
		}
	}
	for _, p := range paths {
		if _, err := os.Stat(p); err != nil {
			t.Logf("the host has no %s", p)
		}
	}
}

func TestReadOnlyPaths(t *testing.T) {
	out := box(t, `
		for p in /proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger /proc/asound /sys /sys/fs/cgroup; do
			[ -e $p ] || continue
			grep -q " $p ro," /proc/self/mountinfo || echo "$p is not mounted read-only"
		done
		for f in /proc/sys/kernel/core_pattern /proc/sys/kernel/hostname /proc/sys/vm/overcommit_memory /proc/sysrq-trigger; do
			(echo x >$f) 2>/dev/null && echo "$f was written"
		done
		mkdir /sys/x 2>/dev/null && echo "made /sys/x"
		mount -o remount,rw /sys 2>/dev/null && echo "remounted /sys"
		true`)
	if out != "" {
		t.Error(out)
	}
}

func TestDevices(t *testing.T) {
	const script = `cd /dev && for f in *; do
		if [ -L $f ]; then echo $f link $(readlink $f)
		elif [ -c $f ]; then echo $f device $(stat -c %t:%T $f)
		elif [ -d $f ]; then echo $f directory; else echo $f other; fi; done`
	want := `fd link /proc/self/fd
full device 1:7
mqueue directory
null device 1:3
ptmx link pts/ptmx
pts directory
random device 1:8
shm directory
stderr link /proc/self/fd/2
stdin link /proc/self/fd/0
stdout link /proc/self/fd/1
tty device 5:0
urandom device 1:9
zero device 1:5`
	if got := box(t, script); got != want {
		t.Errorf("/dev:\n%s\nwant:\n%s", got, want)
	}
	if got := box(t, "mknod /tmp/sda b 8 0 2>&1; [ -b /tmp/sda ] && cat /tmp/sda; true", "--cap-add", "MKNOD"); !single() && !strings.Contains(got, "not permitted") {
		t.Errorf("a device was made: %s", got)
	}
}

// Who brings the host's /dev gets its terminals too.
func TestTerminalWithTheHostsDevices(t *testing.T) {
	need(t)
	for _, options := range [][]string{{"-t"}, {"-t", "-v", "/dev:/dev"}} {
		if out := box(t, "tty", options...); !strings.HasPrefix(out, "/dev/pts/") {
			t.Errorf("%v: %q", options, out)
		}
	}
}

func TestMounts(t *testing.T) {
	need(t)
	var got []string
	for line := range strings.Lines(box(t, "cat /proc/self/mountinfo")) {
		f := strings.Fields(line)
		fstype := f[slices.Index(f, "-")+1]
		flags := ""
		for _, o := range []string{"ro", "nosuid", "nodev", "noexec"} {
			if slices.Contains(strings.Split(f[5], ","), o) {
				flags += "," + o
			}
		}
		if strings.HasPrefix(f[4], "/dev/") && fstype == "devtmpfs" || strings.HasPrefix(f[4], "/proc/") || strings.HasPrefix(f[4], "/sys/") && f[4] != "/sys/fs/cgroup" {
			continue // have tests of their own
		}
		if strings.HasPrefix(f[4], "/etc/") {
			fstype = "file"
		}
		if f[4] == "/sys/fs/cgroup" {
			fstype = "cgroup"
		}
		got = append(got, f[4]+" "+fstype+flags)
		if strings.Contains(line, "shared:") || strings.Contains(line, "master:") {
			t.Errorf("mounts come and go: %s", line)
		}
	}
	slices.Sort(got)
	want := []string{
		"/ overlay", "/dev tmpfs,nosuid", "/dev/mqueue mqueue,nosuid,nodev,noexec", "/dev/pts devpts,nosuid,noexec",
		"/dev/shm tmpfs,nosuid,nodev,noexec", "/etc/hostname file", "/etc/hosts file", "/etc/resolv.conf file",
		"/proc proc,nosuid,nodev,noexec", "/sys sysfs,ro,nosuid,nodev,noexec", "/sys/fs/cgroup cgroup,ro,nosuid,nodev,noexec",
	}
	if !slices.Equal(got, want) {
		t.Errorf("mounts:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestReadOnlyRoot(t *testing.T) {
	out := box(t, "touch /x 2>&1; mkdir -p /etc/y 2>&1; touch /tmp/ok && echo tmp; touch /dev/shm/ok && echo shm", "--read-only", "--tmpfs", "/tmp")
	if strings.Count(out, "Read-only file system") != 2 || !strings.HasSuffix(out, "tmp\nshm") {
		t.Error(out)
	}
}

func TestNamespaces(t *testing.T) {
	need(t)
	kinds := []string{"cgroup", "ipc", "mnt", "net", "pid", "user", "uts"}
	links := box(t, "cd /proc/self/ns && for n in "+strings.Join(kinds, " ")+"; do readlink $n; done")
	other := box(t, "cd /proc/self/ns && for n in "+strings.Join(kinds, " ")+"; do readlink $n; done")
	theirs := strings.Fields(other)
	for i, link := range strings.Fields(links) {
		host, err := os.Readlink("/proc/self/ns/" + kinds[i])
		if err != nil {
			t.Fatal(err)
		}
		if link == host {
			t.Errorf("%s is the host's", link)
		}
		if link == theirs[i] {
			t.Errorf("%s is another container's", link)
		}
	}
}

func TestProcesses(t *testing.T) {
	need(t)
	out := box(t, `for p in /proc/[0-9]*; do echo $(basename $p) $(cat $p/comm); done; echo self $$`)
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		if f[0] == "self" {
			if f[1] != "1" {
				t.Errorf("the first process is %s", f[1])
			}
		} else if n, err := strconv.Atoi(f[0]); err != nil || n > 20 {
			t.Errorf("process %s is visible", line)
		}
	}
	// And nothing of the host through what the kernel counts for us.
	if out := box(t, `cat /proc/1/cgroup; grep -c corac[l]e /proc/1/environ /proc/1/cmdline; true`); strings.Contains(out, "..") || strings.Contains(out, ":1") {
		t.Error(out)
	}
}

func TestHostnameAndIPC(t *testing.T) {
	need(t)
	host, _ := os.Hostname()
	if got := box(t, "hostname"); len(got) != 12 || got == host {
		t.Errorf("hostname %q", got)
	}
	if got := box(t, "hostname evil 2>&1; hostname", "--hostname", "web"); !strings.HasSuffix(got, "\nweb") {
		t.Errorf("hostname was changed: %q", got)
	}
	if out := box(t, "ipcs -m | grep -c 0x; ls /dev/mqueue /dev/shm | grep -v :"); strings.TrimSpace(out) != "0" {
		t.Errorf("ipc: %s", out)
	}
}

func TestK6_EnvironmentIsNotTheHosts(t *testing.T) {
	need(t)
	cmd := world.command("run", "--rm", "box", "env")
	cmd.Env = append(cmd.Env, "CANARY=secret", "CONTAINERS_STORAGE_CONF=x", "XDG_RUNTIME_DIR=")
	r := testutil.Finish(cmd)
	var names []string
	for line := range strings.Lines(r.Out) {
		name, _, _ := strings.Cut(line, "=")
		names = append(names, name)
	}
	slices.Sort(names)
	if want := []string{"HOME", "HOSTNAME", "PATH"}; !slices.Equal(names, want) {
		t.Errorf("environment %v, want %v\n%s", names, want, r.Err)
	}
	// A name without a value is not there; one of a pattern is a name.
	t.Setenv("CANARY", "secret")
	if out := box(t, "env", "-e", "C*", "-e", "NONE_SUCH", "-e", "A=b=c"); strings.Contains(out, "secret") || strings.Contains(out, "NONE_SUCH") || !strings.Contains(out, "A=b=c") {
		t.Error(out)
	}
}

func TestK6_ManyAtOnceKeepTheirEnvironments(t *testing.T) {
	need(t)
	const width = 6
	todo := make(chan int)
	bad := make(chan string, 1000)
	for range width {
		go func() {
			for i := range todo {
				mark := fmt.Sprintf("MARK%d=value%d", i, i)
				r := world.run(nil, "run", "--rm", "-e", mark, "box", "env")
				if r.Code != 0 || strings.Count(r.Out, "MARK") != 1 || !strings.Contains(r.Out, mark+"\n") {
					bad <- fmt.Sprintf("container %d: code %d\n%s%s", i, r.Code, r.Out, r.Err)
				} else {
					bad <- ""
				}
			}
		}()
	}
	go func() {
		for i := range 100 {
			todo <- i
		}
		close(todo)
	}()
	for range 100 {
		if text := <-bad; text != "" {
			t.Error(text)
		}
	}
}

// What of our own runs on the host writes no memory of the host to a file.
func TestSupervisorDumpsNoCore(t *testing.T) {
	id := service(t, "box", "sleep", "1000")
	pid := ok(t, "inspect", "-f", "{{.State.Pid}}", id)
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		t.Fatal(err)
	}
	parent := strings.Fields(string(stat[strings.LastIndex(string(stat), ")")+1:]))[1]
	limits, err := os.ReadFile("/proc/" + parent + "/limits")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.Join(strings.Fields(string(limits)), " "), "Max core file size 0 0") {
		t.Errorf("limits of the supervisor:\n%s", limits)
	}
}
