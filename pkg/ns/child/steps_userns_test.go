// SPDX-License-Identifier: Apache-2.0

package child

import (
	"bytes"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"coracle/internal/testutil"
	"coracle/internal/testutil/userns"
	"coracle/pkg/ns"
)

// stage is a process on its way, on the thread that the test keeps; nil is outside of
// the user namespace that it is made in.
func stage(t *testing.T, more uintptr) *setup {
	t.Helper()
	if !userns.Again(t, more) {
		return nil
	}
	runtime.LockOSThread() // and never unlocked: what a step changes is the thread's
	return &setup{Config: ns.Config{Single: true, Spec: &ns.Spec{Process: &specs.Process{}, Root: &specs.Root{}}}}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// status is a line of proc_pid_status(5) of this thread.
func status(t *testing.T, key string) string {
	t.Helper()
	data, err := os.ReadFile("/proc/thread-self/status")
	must(t, err)
	for line := range strings.Lines(string(data)) {
		if v, ok := strings.CutPrefix(line, key+":"); ok {
			return strings.Join(strings.Fields(v), " ")
		}
	}
	t.Fatalf("no %s in\n%s", key, data)
	return ""
}

func TestLimits(t *testing.T) {
	s := stage(t, 0)
	if s == nil {
		return
	}
	s.Spec.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 77, Hard: 99}, {Type: "RLIMIT_CORE"}}
	must(t, s.setLimits())
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r); err != nil || r.Cur != 77 || r.Max != 99 {
		t.Errorf("%+v, %v", r, err)
	}
	s.Spec.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 100, Hard: 100}} // above the hard one
	if err := s.setLimits(); !errors.Is(err, unix.EPERM) || !strings.HasPrefix(err.Error(), "RLIMIT_NOFILE: ") {
		t.Errorf("more than there may be: %v", err)
	}
	s.Spec.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_WHAT"}}
	if err := s.setLimits(); err == nil || err.Error() != "RLIMIT_WHAT is not known" {
		t.Errorf("%v", err)
	}
	for name, n := range map[string]int{"RLIMIT_NPROC": unix.RLIMIT_NPROC, "RLIMIT_AS": unix.RLIMIT_AS, "RLIMIT_RTPRIO": unix.RLIMIT_RTPRIO, "RLIMIT_STACK": unix.RLIMIT_STACK} {
		if got, ok := ns.Rlimit(name); !ok || got != n {
			t.Errorf("%s is %d", name, got)
		}
	}
}

func TestAffinity(t *testing.T) {
	s := stage(t, 0)
	if s == nil {
		return
	}
	must(t, s.setAffinity()) // nothing is asked for
	s.Spec.Process.ExecCPUAffinity = &specs.CPUAffinity{}
	must(t, s.setAffinity())
	var have unix.CPUSet
	must(t, unix.SchedGetaffinity(0, &have))
	for list, want := range map[string]string{"a": "is not a list of CPUs", "0-": "is not a list of CPUs", "-1": "is not a list of CPUs", "1,,2": "is not a list of CPUs", "1023": "sched_setaffinity", "99999": "sched_setaffinity"} {
		s.Spec.Process.ExecCPUAffinity.Final = list
		if err := s.setAffinity(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", list, err, want)
		}
	}
	s.Spec.Process.ExecCPUAffinity.Final = "0, 0-1023"
	must(t, s.setAffinity())
	var now unix.CPUSet
	must(t, unix.SchedGetaffinity(0, &now))
	if now.Count() < have.Count() {
		t.Errorf("%d CPUs of %d", now.Count(), have.Count())
	}
}

// TestIDs changes to a user who has nothing left of root but what the filter needs.
func TestIDs(t *testing.T) {
	s := stage(t, 0)
	if s == nil {
		return
	}
	umask := uint32(0o027)
	s.Spec.Process.User = specs.User{UID: 0, GID: 0, Umask: &umask, AdditionalGids: []uint32{5}} // with one id no groups can be had
	must(t, s.setIDs())
	if got := status(t, "Umask"); got != "0027" {
		t.Errorf("umask %s", got)
	}
	if got := status(t, "CapInh"); strings.Trim(got, "0") != "" {
		t.Errorf("inheritable: %s", got)
	}
	s.Spec.Process.User = specs.User{UID: 12345}
	if err := s.setIDs(); !errors.Is(err, unix.EINVAL) || !strings.Contains(err.Error(), "setresuid 12345") {
		t.Errorf("a user who is not mapped: %v", err)
	}
	s.Spec.Process.User = specs.User{GID: 12345}
	if err := s.setIDs(); !errors.Is(err, unix.EINVAL) || !strings.Contains(err.Error(), "setresgid 12345") {
		t.Errorf("a group that is not mapped: %v", err)
	}
}

// TestCapabilities: what is not named is gone for good.
func TestCapabilities(t *testing.T) {
	s := stage(t, 0)
	if s == nil {
		return
	}
	keep := []string{"CAP_CHOWN", "CAP_KILL"}
	s.Spec.Process.Capabilities = &specs.LinuxCapabilities{Bounding: keep, Permitted: keep, Effective: keep[:1], Inheritable: keep, Ambient: keep[1:]}
	must(t, s.dropBounding())
	must(t, s.setCapabilities())
	const chown, both, kill = "0000000000000001", "0000000000000021", "0000000000000020"
	for key, want := range map[string]string{"CapBnd": both, "CapPrm": both, "CapEff": chown, "CapInh": both, "CapAmb": kill} {
		if got := status(t, key); got != want {
			t.Errorf("%s: %s, want %s", key, got, want)
		}
	}
	s.Spec.Process.Capabilities.Effective = []string{"CAP_SYS_ADMIN"} // cannot come back
	must(t, s.setCapabilities())
	if got := status(t, "CapEff"); strings.Trim(got, "0") != "" {
		t.Errorf("effective: %s", got)
	}
	s.Spec.Process.Capabilities = nil // a configuration without any
	must(t, s.setCapabilities())
	for _, key := range []string{"CapPrm", "CapEff", "CapInh", "CapAmb"} {
		if got := status(t, key); strings.Trim(got, "0") != "" {
			t.Errorf("%s: %s", key, got)
		}
	}
	for _, set := range []func(*specs.LinuxCapabilities){
		func(c *specs.LinuxCapabilities) { c.Effective = []string{"CAP_WHAT"} }, func(c *specs.LinuxCapabilities) { c.Permitted = []string{"CAP_WHAT"} },
		func(c *specs.LinuxCapabilities) { c.Inheritable = []string{"CAP_WHAT"} }, func(c *specs.LinuxCapabilities) { c.Ambient = []string{"CAP_WHAT"} },
	} {
		s.Spec.Process.Capabilities = &specs.LinuxCapabilities{}
		set(s.Spec.Process.Capabilities)
		if err := s.setCapabilities(); err == nil || !strings.Contains(err.Error(), "CAP_WHAT") {
			t.Errorf("%v", err)
		}
	}
	s.Spec.Process.Capabilities = &specs.LinuxCapabilities{Bounding: []string{"CAP_WHAT"}}
	if err := s.dropBounding(); err == nil || !strings.Contains(err.Error(), "CAP_WHAT") {
		t.Errorf("%v", err)
	}
}

// TestSignals: what a caller ignored or blocked, the program does not.
func TestSignals(t *testing.T) {
	if stage(t, 0) == nil {
		return
	}
	const sigIgn = 1
	act := [4]uint64{sigIgn}
	ignore := func(sig unix.Signal) {
		t.Helper()
		if _, _, e := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), addressOf(&act), 0, 8, 0, 0); e != 0 {
			t.Fatal(e)
		}
	}
	ignore(unix.SIGUSR1)
	ignore(unix.SIGTTOU)
	var block unix.Sigset_t
	block.Val[0] = 1 << (unix.SIGUSR2 - 1)
	must(t, unix.PthreadSigmask(unix.SIG_BLOCK, &block, nil))
	const usr1, usr2, ttou = 1 << 9, 1 << 11, 1 << 21
	if got := mask(t, "SigIgn"); got&usr1 == 0 || got&ttou == 0 {
		t.Fatalf("ignored before: %x", got)
	}
	must(t, resetSignals())
	if got := mask(t, "SigIgn"); got&(usr1|ttou) != 0 {
		t.Errorf("ignored: %x", got)
	}
	if got := mask(t, "SigBlk"); got&usr2 != 0 {
		t.Errorf("blocked: %x", got)
	}
}

// TestChdir: a working directory has to be inside the root.
func TestChdir(t *testing.T) {
	s := stage(t, 0)
	if s == nil {
		return
	}
	dir := t.TempDir()
	s.Spec.Process.Cwd = dir
	must(t, s.chdir())
	if wd, err := unix.Getwd(); err != nil || wd != dir {
		t.Errorf("%s, %v", wd, err)
	}
	s.Spec.Process.Cwd = filepath.Join(dir, "none")
	if err := s.chdir(); !errors.Is(err, unix.ENOENT) {
		t.Errorf("%v", err)
	}
	// A descriptor of a directory outside, as of CVE-2024-21626.
	outside, err := os.Open("/")
	must(t, err)
	must(t, unix.Unshare(unix.CLONE_FS))
	must(t, unix.Chroot(dir))
	rounds := testutil.NewRounds(t, "a directory outside was gone to")
	must(t, unix.Fchdir(int(outside.Fd())))
	rounds.Ran(true)
	s.Spec.Process.Cwd = "."
	if err := s.chdir(); err == nil || !strings.Contains(err.Error(), "is outside of the container's root") {
		t.Errorf("a working directory outside of the root: %v", err)
	}
}

func TestHostname(t *testing.T) {
	s := stage(t, unix.CLONE_NEWUTS)
	if s == nil {
		return
	}
	before, err := os.Hostname()
	must(t, err)
	s.Spec.Hostname, s.Spec.Domainname = "boxname", "example.org"
	must(t, s.setHostname()) // without a namespace of its own it is the host's
	if now, _ := os.Hostname(); now != before {
		t.Errorf("the host is called %s now", now)
	}
	s.Spec.Linux.Namespaces = []specs.LinuxNamespace{{Type: specs.UTSNamespace}}
	must(t, s.setHostname())
	var u unix.Utsname
	must(t, unix.Uname(&u))
	if got := unix.ByteSliceToString(u.Nodename[:]) + " " + unix.ByteSliceToString(u.Domainname[:]); got != "boxname example.org" {
		t.Errorf("%s", got)
	}
}

func TestLoopbackUp(t *testing.T) {
	if stage(t, unix.CLONE_NEWNET) == nil {
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	if c, err := net.DialTimeout("tcp", l.Addr().String(), time.Second); err == nil {
		c.Close()
		t.Fatal("the loopback is up already")
	}
	must(t, loopbackUp())
	c, err := net.DialTimeout("tcp", l.Addr().String(), 20*time.Second)
	must(t, err)
	c.Close()
}

// TestOOMScore writes what is asked for, and nothing else.
func TestOOMScore(t *testing.T) {
	s := stage(t, 0)
	if s == nil {
		return
	}
	read := func() string {
		data, err := os.ReadFile("/proc/self/oom_score_adj")
		must(t, err)
		return strings.TrimSpace(string(data))
	}
	before := read()
	must(t, s.setOOMScore())
	if got := read(); got != before {
		t.Errorf("%s, was %s", got, before)
	}
	more := 1000
	s.Spec.Process.OOMScoreAdj = &more
	must(t, s.setOOMScore())
	if got := read(); got != "1000" {
		t.Errorf("%s", got)
	}
	less := -1000
	s.Spec.Process.OOMScoreAdj = &less
	if err := s.setOOMScore(); !errors.Is(err, syscall.EACCES) {
		t.Errorf("less than the caller's: %v", err)
	}
}

// TestFilter loads one that refuses a system call.
func TestFilter(t *testing.T) {
	s := stage(t, 0)
	if s == nil {
		return
	}
	must(t, s.loadFilter()) // none
	if got := status(t, "Seccomp"); got == "2" {
		t.Skip("a filter is around already")
	}
	var b bytes.Buffer
	for _, f := range []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}, // seccomp_data.nr
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: unix.SYS_SETHOSTNAME},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOTTY)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	} {
		b.Write([]byte{byte(f.Code), byte(f.Code >> 8), f.Jt, f.Jf, byte(f.K), byte(f.K >> 8), byte(f.K >> 16), byte(f.K >> 24)})
	}
	s.Filter, s.Spec.Process.NoNewPrivileges = b.Bytes(), true
	must(t, s.loadFilter())
	if got := status(t, "Seccomp") + " " + status(t, "NoNewPrivs"); got != "2 1" {
		t.Errorf("mode and no_new_privs: %s", got)
	}
	if err := unix.Sethostname([]byte("x")); err != unix.ENOTTY {
		t.Errorf("the system call gives %v", err)
	}
}

func TestLeaveToListener(t *testing.T) {
	filter := []unix.SockFilter{
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF}, {Code: unix.BPF_LD, K: unix.SECCOMP_RET_USER_NOTIF},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_KILL_PROCESS},
	}
	leaveToListener(filter)
	if filter[0].K != unix.SECCOMP_RET_ALLOW || filter[1].K != unix.SECCOMP_RET_USER_NOTIF || filter[2].K != unix.SECCOMP_RET_KILL_PROCESS {
		t.Errorf("%+v", filter)
	}
}
