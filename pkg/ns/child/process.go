// SPDX-License-Identifier: Apache-2.0

package child

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"unsafe"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"coracle/pkg/ids"
	"coracle/pkg/ns"
	"coracle/pkg/wire"
)

// processSteps turn this process into the container's.
func (s *setup) processSteps() []step {
	return []step{
		{"set oom_score_adj", s.setOOMScore},
		{"join session keyring", joinKeyring},
		{"drop bounding capabilities", s.dropBounding},
		{"set ids", s.setIDs},
		{"change to working directory", s.chdir},
		{"reset signals", resetSignals},
		{"set limits", s.setLimits}, // late: they are meant for the program, not for this stage
		{"set CPU affinity", s.setAffinity},
		{"close abstract sockets", s.closeAbstract},
		{"find program", s.findProgram},
		{"end with parent", s.endWithParent}, // after the ids, whose change would take it back
		{"load seccomp filter", s.loadFilter},
		{"set capabilities", s.setCapabilities},
	}
}

func (s *setup) setOOMScore() error {
	adj := s.Spec.Process.OOMScoreAdj
	if adj == nil {
		return nil
	}
	f, err := os.OpenFile("/proc/self/oom_score_adj", os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(strconv.Itoa(*adj))
	return err
}

func (s *setup) setLimits() error {
	for _, l := range s.Spec.Process.Rlimits {
		n, ok := ns.Rlimit(l.Type)
		if !ok {
			return fmt.Errorf("%s is not known", l.Type)
		}
		if err := unix.Setrlimit(n, &unix.Rlimit{Cur: l.Soft, Max: l.Hard}); err != nil {
			return fmt.Errorf("%s: %w", l.Type, err)
		}
	}
	return nil
}

// maxCPU is the last CPU of a cpu_set_t.
const maxCPU = 1023

// setAffinity runs the program on some CPUs only. A list is like 0-3,5.
func (s *setup) setAffinity() error {
	a := s.Spec.Process.ExecCPUAffinity
	if a == nil || a.Final == "" {
		return nil
	}
	var set unix.CPUSet
	for _, r := range strings.Split(a.Final, ",") {
		first, last, ranged := strings.Cut(strings.TrimSpace(r), "-")
		from, err := strconv.Atoi(first)
		to := from
		if err == nil && ranged {
			to, err = strconv.Atoi(last)
		}
		if err != nil {
			return fmt.Errorf("%q is not a list of CPUs", a.Final)
		}
		for cpu := from; cpu <= min(to, maxCPU); cpu++ {
			set.Set(cpu)
		}
	}
	return os.NewSyscallError("sched_setaffinity", unix.SchedSetaffinity(0, &set))
}

// endWithParent ties the program to its supervisor where the end of a pid namespace
// does not. A supervisor that is gone by now gives no word to go on.
func (s *setup) endWithParent() error {
	if !s.EndWithParent {
		return nil
	}
	return os.NewSyscallError("prctl", unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0))
}

// resetSignals lets the program begin with no signal ignored or blocked: execve(2)
// passes on what a shell ignored for a background job, nohup for everything, and
// what the caller had blocked.
func resetSignals() error {
	const sigIgn, setSize = 1, 8
	for sig := uintptr(1); sig <= 64; sig++ {
		var act [4]uint64 // struct sigaction of the kernel: the handler comes first
		_, _, e := unix.RawSyscall6(unix.SYS_RT_SIGACTION, sig, 0, uintptr(unsafe.Pointer(&act)), setSize, 0, 0)
		if e != 0 || act[0] != sigIgn {
			continue
		}
		act = [4]uint64{}
		if _, _, e := unix.RawSyscall6(unix.SYS_RT_SIGACTION, sig, uintptr(unsafe.Pointer(&act)), 0, setSize, 0, 0); e != 0 {
			return os.NewSyscallError("rt_sigaction", e)
		}
	}
	var none unix.Sigset_t
	return os.NewSyscallError("rt_sigprocmask", unix.PthreadSigmask(unix.SIG_SETMASK, &none, nil))
}

// joinKeyring gives the container a session keyring of its own. A kernel
// without keyrings is one that shares none.
func joinKeyring() error {
	// Without a name, which x/sys cannot say.
	_, _, err := unix.Syscall(unix.SYS_KEYCTL, unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0)
	if err == 0 || err == unix.ENOSYS || err == unix.EDQUOT {
		return nil
	}
	return os.NewSyscallError("keyctl", err)
}

func (s *setup) dropBounding() error {
	if s.Spec.Process.Capabilities == nil {
		return nil
	}
	keep, err := ids.CapabilityBits(s.Spec.Process.Capabilities.Bounding)
	if err != nil {
		return err
	}
	for c := 0; c < 64; c++ {
		if keep&(1<<c) != 0 {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0); err != nil {
			if err == unix.EINVAL {
				return nil // past the kernel's last one
			}
			return os.NewSyscallError("prctl PR_CAPBSET_DROP", err)
		}
	}
	return nil
}

// setIDs uses raw system calls: the C library's meaning, all threads at once,
// is neither needed nor possible here.
func (s *setup) setIDs() error {
	u := s.Spec.Process.User
	if err := unix.Prctl(unix.PR_SET_KEEPCAPS, 1, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl PR_SET_KEEPCAPS", err)
	}
	if !s.Single { // there setgroups(2) is denied for good, and there is one group
		var list unsafe.Pointer
		if n := len(u.AdditionalGids); n > 0 {
			list = unsafe.Pointer(&u.AdditionalGids[0])
		}
		if _, _, e := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(u.AdditionalGids)), uintptr(list), 0); e != 0 {
			return os.NewSyscallError("setgroups", e)
		}
	}
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESGID, uintptr(u.GID), uintptr(u.GID), uintptr(u.GID)); e != 0 {
		return fmt.Errorf("setresgid %d: %w", u.GID, e)
	}
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(u.UID), uintptr(u.UID), uintptr(u.UID)); e != 0 {
		return fmt.Errorf("setresuid %d: %w", u.UID, e)
	}
	if u.Umask != nil {
		unix.Umask(int(*u.Umask))
	}
	// A change of uid has cleared the effective set, of which the filter
	// needs one.
	return capset(allCaps, allCaps, 0)
}

// allCaps is cut down by the kernel to what is permitted.
const allCaps = ^uint64(0)

// chdir goes to the working directory, as the process's user, and makes sure
// that it is inside: a directory outside of the root would be called
// "(unreachable)" (CVE-2024-21626).
func (s *setup) chdir() error {
	cwd := s.Spec.Process.Cwd
	if err := unix.Chdir(cwd); err != nil {
		return &os.PathError{Op: "chdir", Path: cwd, Err: err}
	}
	wd, err := unix.Getwd()
	if err != nil || !strings.HasPrefix(wd, "/") {
		return fmt.Errorf("%s is outside of the container's root", cwd)
	}
	return nil
}

func (s *setup) loadFilter() error {
	if s.Spec.Process.NoNewPrivileges {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return os.NewSyscallError("prctl PR_SET_NO_NEW_PRIVS", err)
		}
	}
	if len(s.Filter) == 0 {
		return nil
	}
	size := int(unsafe.Sizeof(unix.SockFilter{}))
	filter := unsafe.Slice((*unix.SockFilter)(unsafe.Pointer(&s.Filter[0])), len(s.Filter)/size)
	var flags uintptr
	if s.Notifies {
		// Signals do not interrupt a call that somebody has begun to answer (Linux 5.19):
		// no program expects that of stat(2).
		flags = unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | waitKillable
	}
	fd, e := setFilter(filter, flags)
	if e == unix.EINVAL && s.Notifies {
		fd, e = setFilter(filter, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER)
	}
	if e == unix.EBUSY { // there is one listener for a tree of processes: that of the container around
		leaveToListener(filter)
		_, e = setFilter(filter, 0)
		s.Notifies = false
	}
	if e != 0 {
		return os.NewSyscallError("seccomp", e)
	}
	if !s.Notifies {
		return nil
	}
	listener := os.NewFile(fd, "seccomp listener")
	defer listener.Close()
	return wire.Send(s.sync, ns.Answer{Listener: true}, listener)
}

// waitKillable is SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV of linux/seccomp.h.
const waitKillable = 1 << 5

func setFilter(filter []unix.SockFilter, flags uintptr) (fd uintptr, e unix.Errno) {
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	fd, _, e = unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&prog)))
	return fd, e
}

// leaveToListener makes a filter allow what it handed over: where the filter
// around hands over the same, that counts more.
func leaveToListener(filter []unix.SockFilter) {
	for i := range filter {
		if filter[i].Code == unix.BPF_RET|unix.BPF_K && filter[i].K == unix.SECCOMP_RET_USER_NOTIF {
			filter[i].K = unix.SECCOMP_RET_ALLOW
		}
	}
}

// setCapabilities drops what is left.
func (s *setup) setCapabilities() error {
	caps := s.Spec.Process.Capabilities
	if caps == nil {
		caps = &specs.LinuxCapabilities{}
	}
	effective, err := ids.CapabilityBits(caps.Effective)
	if err != nil {
		return err
	}
	permitted, err := ids.CapabilityBits(caps.Permitted)
	if err != nil {
		return err
	}
	inheritable, err := ids.CapabilityBits(caps.Inheritable)
	if err != nil {
		return err
	}
	ambient, err := ids.CapabilityBits(caps.Ambient)
	if err != nil {
		return err
	}
	if err := capset(effective, permitted, inheritable); err != nil {
		return err
	}
	for c := range uintptr(64) {
		if ambient&(1<<c) == 0 {
			continue
		}
		// A configuration may name ambient capabilities that are not
		// inheritable; other runtimes let that pass, without them.
		err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, c, 0, 0)
		if err != nil && !errors.Is(err, unix.EPERM) {
			return fmt.Errorf("ambient capability %d: %w", c, os.NewSyscallError("prctl", err))
		}
	}
	return nil
}

// capset sets the three sets of this thread and clears the ambient one. Specs
// of our own making leave the inheritable set empty: what is in it survives
// into programs that have file capabilities (CVE-2022-29162).
func capset(effective, permitted, inheritable uint64) error {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var now [2]unix.CapUserData
	if err := unix.Capget(&hdr, &now[0]); err != nil {
		return os.NewSyscallError("capget", err)
	}
	have := uint64(now[0].Permitted) | uint64(now[1].Permitted)<<32
	effective, permitted, inheritable = effective&have, permitted&have, inheritable&have
	data := [2]unix.CapUserData{
		{Effective: uint32(effective), Permitted: uint32(permitted), Inheritable: uint32(inheritable)},
		{Effective: uint32(effective >> 32), Permitted: uint32(permitted >> 32), Inheritable: uint32(inheritable >> 32)},
	}
	if err := unix.Capset(&hdr, &data[0]); err != nil {
		return os.NewSyscallError("capset", err)
	}
	// A kernel before 4.3 has no ambient set to clear.
	_ = unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
	return nil
}
