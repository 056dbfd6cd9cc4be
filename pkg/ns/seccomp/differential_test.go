// SPDX-License-Identifier: Apache-2.0

package seccomp_test

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"coracle/pkg/ids"
	"coracle/pkg/ns/seccomp"
	"coracle/pkg/oci/spec"
)

const x32Bit = 0x40000000

// table is an architecture of this machine: its AUDIT_ARCH and its calls.
type table struct {
	arch  uint32
	names map[uint32]string
}

func tables() []table {
	columns := map[uint32]int{unix.AUDIT_ARCH_X86_64: 1, unix.AUDIT_ARCH_I386: 2}
	if runtime.GOARCH == "arm64" {
		columns = map[uint32]int{unix.AUDIT_ARCH_AARCH64: 3}
	}
	var list []table
	for arch, column := range columns {
		t := table{arch, map[uint32]string{}}
		for line := range strings.Lines(seccomp.Syscalls) {
			f := strings.Fields(line)
			if n, err := strconv.Atoi(f[column]); err == nil {
				t.names[uint32(n)] = f[0]
			}
		}
		list = append(list, t)
	}
	return list
}

// evaluate says what a profile means for a call, in the plainest way.
func evaluate(p *specs.LinuxSeccomp, all []table, c *call) uint32 {
	for _, t := range all {
		if t.arch != c.arch {
			continue
		}
		name, known := t.names[c.nr]
		if !known { // and all of x32
			return unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
		}
		for _, sc := range p.Syscalls {
			if len(sc.Args) == 0 && slices.Contains(sc.Names, name) {
				return verdict(sc.Action, sc.ErrnoRet)
			}
		}
		for _, sc := range p.Syscalls {
			if slices.Contains(sc.Names, name) && matches(sc.Args, c) {
				return verdict(sc.Action, sc.ErrnoRet)
			}
		}
		return verdict(p.DefaultAction, p.DefaultErrnoRet)
	}
	return unix.SECCOMP_RET_KILL_PROCESS
}

// matches reports whether all conditions hold, or one of several when two are
// about the same argument.
func matches(conditions []specs.LinuxSeccompArg, c *call) bool {
	seen, any, all := map[uint]bool{}, false, true
	twice := false
	for _, cond := range conditions {
		ok := holds(cond, c.args[cond.Index])
		any, all = any || ok, all && ok
		twice = twice || seen[cond.Index]
		seen[cond.Index] = true
	}
	if twice {
		return any
	}
	return all
}

func holds(cond specs.LinuxSeccompArg, v uint64) bool {
	switch cond.Op {
	case specs.OpEqualTo:
		return v == cond.Value
	case specs.OpNotEqual:
		return v != cond.Value
	case specs.OpGreaterThan:
		return v > cond.Value
	case specs.OpGreaterEqual:
		return v >= cond.Value
	case specs.OpLessThan:
		return v < cond.Value
	case specs.OpLessEqual:
		return v <= cond.Value
	case specs.OpMaskedEqual:
		return v&cond.Value == cond.ValueTwo
	}
	panic("operator " + string(cond.Op))
}

func verdict(a specs.LinuxSeccompAction, errno *uint) uint32 {
	e := uint32(unix.EPERM)
	if errno != nil {
		e = uint32(*errno) & 0xffff
	}
	return map[specs.LinuxSeccompAction]uint32{
		specs.ActAllow: unix.SECCOMP_RET_ALLOW, specs.ActErrno: unix.SECCOMP_RET_ERRNO | e,
		specs.ActTrace: unix.SECCOMP_RET_TRACE | e, specs.ActTrap: unix.SECCOMP_RET_TRAP, specs.ActLog: unix.SECCOMP_RET_LOG,
		specs.ActKill: unix.SECCOMP_RET_KILL_THREAD, specs.ActKillThread: unix.SECCOMP_RET_KILL_THREAD,
		specs.ActKillProcess: unix.SECCOMP_RET_KILL_PROCESS,
	}[a]
}

// interesting are the values where comparisons of 64 bits in two halves go
// wrong, and those around the values of the profile's own conditions.
func interesting(p *specs.LinuxSeccomp) []uint64 {
	set := map[uint64]bool{}
	around := func(v uint64) {
		for _, w := range []uint64{v - 1, v, v + 1, v | 1<<32, v | 1<<63, v &^ 0xffffffff, v << 32} {
			set[w] = true
		}
	}
	for _, v := range []uint64{0, 1 << 31, 1 << 32, 1 << 63, ^uint64(0), unix.CLONE_NEWUSER, unix.CLONE_NEWNS | 17, unix.TIOCSTI} {
		around(v)
	}
	for _, sc := range p.Syscalls {
		for _, a := range sc.Args {
			around(a.Value)
			around(a.ValueTwo)
		}
	}
	list := make([]uint64, 0, len(set))
	for v := range set {
		list = append(list, v)
	}
	slices.Sort(list)
	return list
}

// compare runs program and profile side by side over every number of every
// ABI, and returns how many calls it has looked at.
func compare(t *testing.T, p *specs.LinuxSeccomp, numbers []uint32, rounds int) int {
	t.Helper()
	prog, err := seccomp.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	if err := check(prog); err != nil {
		t.Fatalf("the kernel would not take the program: %v", err)
	}
	all, values := tables(), interesting(p)
	archs := []uint32{0, unix.AUDIT_ARCH_ARM}
	for _, tb := range all {
		archs = append(archs, tb.arch)
	}
	rnd, count := rand.New(rand.NewPCG(1, 2)), 0
	try := func(c call) {
		count++
		if got, want := run(prog, &c), evaluate(p, all, &c); got != want {
			t.Fatalf("call %+v: program %#x, profile %#x", c, got, want)
		}
	}
	for _, arch := range archs {
		for _, nr := range numbers {
			for i := range 6 {
				for _, v := range values {
					c := call{nr: nr, arch: arch}
					c.args[i] = v
					try(c)
				}
			}
			for range rounds {
				c := call{nr: nr, arch: arch}
				for i := range c.args {
					c.args[i] = values[rnd.IntN(len(values))]
				}
				try(c)
			}
		}
	}
	return count
}

// every is all numbers that any ABI knows and some that none does.
func every(step uint32) []uint32 {
	var list []uint32
	for n := uint32(0); n <= 600; n += step {
		list = append(list, n, n|x32Bit)
	}
	return append(list, 1<<31, 1<<31|1, ^uint32(0), x32Bit-1)
}

// own is coracle's policy as a container gets it.
func own(t *testing.T, o spec.Options) *specs.LinuxSeccomp {
	t.Helper()
	o.Args = []string{"true"}
	s, err := spec.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s.Linux.Seccomp
}

func TestK2_ProgramMeansWhatTheProfileSays(t *testing.T) {
	single := ids.Maps{UID: []ids.Map{{Size: 1}}, GID: []ids.Map{{Size: 1}}}
	errno := uint(1000)
	ops := &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, DefaultErrnoRet: &errno}
	for i, op := range []specs.LinuxSeccompOperator{
		specs.OpEqualTo, specs.OpNotEqual, specs.OpGreaterThan, specs.OpGreaterEqual, specs.OpLessThan, specs.OpLessEqual, specs.OpMaskedEqual,
	} {
		for j, v := range []uint64{0, 5, 1 << 32, 5<<32 | 7, ^uint64(0)} {
			n := strings.Fields(strings.Split(seccomp.Syscalls, "\n")[30+10*i+j])[0]
			ops.Syscalls = append(ops.Syscalls,
				specs.LinuxSyscall{Names: []string{n}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{{Index: uint(j), Op: op, Value: v, ValueTwo: v &^ 2}}},
				specs.LinuxSyscall{Names: []string{n}, Action: specs.ActLog, Args: []specs.LinuxSeccompArg{
					{Index: 0, Op: specs.OpNotEqual, Value: v}, {Index: uint(j), Op: op, Value: v + 1, ValueTwo: v}, {Index: 5, Op: specs.OpEqualTo, Value: v},
				}})
		}
	}
	rounds, step := 8, uint32(1)
	if os.Getenv("CORACLE_NIGHTLY") == "1" {
		rounds = 2000
	} else if testing.Short() {
		step = 7
	}
	for _, c := range []struct {
		name    string
		profile *specs.LinuxSeccomp
	}{
		{"default", own(t, spec.Options{})},
		{"all capabilities", own(t, spec.Options{CapAdd: []string{"ALL"}})},
		{"single id", own(t, spec.Options{Maps: single})},
		{"privileged with a single id", own(t, spec.Options{Maps: single, Privileged: true})},
		{"every operator", ops},
		{"nothing", &specs.LinuxSeccomp{DefaultAction: specs.ActKillProcess}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			t.Logf("%d calls compared", compare(t, c.profile, every(step), rounds))
		})
	}
}

// The words of the policy, on this machine's own numbers: the table above
// could be wrong in both.
func TestPolicyByNumber(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("numbers of amd64")
	}
	prog, err := seccomp.Compile(own(t, spec.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	const eperm, enosys = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM), unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
	const allow = unix.SECCOMP_RET_ALLOW
	for _, c := range []struct {
		what string
		arch uint32
		nr   uint32
		args [6]uint64
		want uint32
	}{
		{"read", unix.AUDIT_ARCH_X86_64, unix.SYS_READ, [6]uint64{}, allow},
		{"mount", unix.AUDIT_ARCH_X86_64, unix.SYS_MOUNT, [6]uint64{}, eperm},
		{"unshare", unix.AUDIT_ARCH_X86_64, unix.SYS_UNSHARE, [6]uint64{}, eperm},
		{"keyctl", unix.AUDIT_ARCH_X86_64, unix.SYS_KEYCTL, [6]uint64{}, eperm},
		{"bpf", unix.AUDIT_ARCH_X86_64, unix.SYS_BPF, [6]uint64{}, eperm},
		{"io_uring_setup", unix.AUDIT_ARCH_X86_64, unix.SYS_IO_URING_SETUP, [6]uint64{}, eperm},
		{"userfaultfd", unix.AUDIT_ARCH_X86_64, unix.SYS_USERFAULTFD, [6]uint64{}, eperm},
		{"clone thread", unix.AUDIT_ARCH_X86_64, unix.SYS_CLONE, [6]uint64{unix.CLONE_VM | unix.CLONE_THREAD}, allow},
		{"clone new user namespace", unix.AUDIT_ARCH_X86_64, unix.SYS_CLONE, [6]uint64{unix.CLONE_NEWUSER}, eperm},
		{"clone3", unix.AUDIT_ARCH_X86_64, unix.SYS_CLONE3, [6]uint64{}, enosys},
		{"socket inet", unix.AUDIT_ARCH_X86_64, unix.SYS_SOCKET, [6]uint64{unix.AF_INET}, allow},
		{"socket alg", unix.AUDIT_ARCH_X86_64, unix.SYS_SOCKET, [6]uint64{unix.AF_ALG}, eperm},
		{"socket vsock", unix.AUDIT_ARCH_X86_64, unix.SYS_SOCKET, [6]uint64{unix.AF_VSOCK}, eperm},
		{"socketcall of i386", unix.AUDIT_ARCH_I386, 102, [6]uint64{1}, enosys},
		{"mount of i386", unix.AUDIT_ARCH_I386, 21, [6]uint64{}, eperm},
		{"read of x32", unix.AUDIT_ARCH_X86_64, x32Bit, [6]uint64{}, enosys},
		{"TIOCSTI", unix.AUDIT_ARCH_X86_64, unix.SYS_IOCTL, [6]uint64{0, unix.TIOCSTI}, eperm},
		{"TIOCSTI, high bits set", unix.AUDIT_ARCH_X86_64, unix.SYS_IOCTL, [6]uint64{0, 1<<32 | unix.TIOCSTI}, eperm},
		{"TIOCLINUX", unix.AUDIT_ARCH_X86_64, unix.SYS_IOCTL, [6]uint64{0, unix.TIOCLINUX}, eperm},
		{"TCGETS", unix.AUDIT_ARCH_X86_64, unix.SYS_IOCTL, [6]uint64{0, unix.TCGETS}, allow},
		{"personality Linux", unix.AUDIT_ARCH_X86_64, unix.SYS_PERSONALITY, [6]uint64{0}, allow},
		{"personality without randomization", unix.AUDIT_ARCH_X86_64, unix.SYS_PERSONALITY, [6]uint64{0x0040000}, eperm},
		{"a call of the future", unix.AUDIT_ARCH_X86_64, 599, [6]uint64{}, enosys},
	} {
		if got := run(prog, &call{c.nr, c.arch, c.args}); got != c.want {
			t.Errorf("%s: %#x, want %#x", c.what, got, c.want)
		}
	}
}

func TestCompileErrors(t *testing.T) {
	rule := func(arg specs.LinuxSeccompArg) *specs.LinuxSeccomp {
		return &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{
			{Names: []string{"read"}, Action: specs.ActErrno, Args: []specs.LinuxSeccompArg{arg}}}}
	}
	for _, c := range []struct {
		profile *specs.LinuxSeccomp
		want    string
	}{
		{&specs.LinuxSeccomp{}, `action "" is not supported`},
		{&specs.LinuxSeccomp{DefaultAction: "SCMP_ACT_FLY"}, `action "SCMP_ACT_FLY" is not supported`},
		{&specs.LinuxSeccomp{DefaultAction: "SCMP_ACT_"}, `action "SCMP_ACT_" is not supported`},
		{rule(specs.LinuxSeccompArg{Index: 6, Op: specs.OpEqualTo}), "argument 6 of [read]: there are only 6"},
		{rule(specs.LinuxSeccompArg{Index: 1, Op: "SCMP_CMP_LIKE"}), `operator "SCMP_CMP_LIKE" is not known`},
	} {
		if _, err := seccomp.Compile(c.profile); err == nil || err.Error() != c.want {
			t.Errorf("error %v, want %s", err, c.want)
		}
	}
}

// FuzzCompile makes profiles of bytes: each must compile to what it means, or
// be refused.
func FuzzCompile(f *testing.F) {
	f.Add([]byte("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c"))
	f.Add([]byte("\x10\x01\x26\xff\xff\xff\xff\x00\x00\x00\x01\x00\x00\x10\x00\x20\x00\x00\x00\x00"))
	ops := []specs.LinuxSeccompOperator{
		specs.OpEqualTo, specs.OpNotEqual, specs.OpGreaterThan, specs.OpGreaterEqual, specs.OpLessThan, specs.OpLessEqual, specs.OpMaskedEqual,
	}
	actions := []specs.LinuxSeccompAction{specs.ActAllow, specs.ActErrno, specs.ActKillProcess, specs.ActLog, specs.ActTrap, specs.ActTrace}
	byNumber := tables()[0].names
	f.Fuzz(func(t *testing.T, data []byte) {
		p := &specs.LinuxSeccomp{DefaultAction: specs.ActErrno}
		var numbers []uint32
		// A rule is a number, an action with the count of its conditions, and the
		// conditions: operator and index, value, second value.
		for len(data) >= 2 && len(p.Syscalls) < 8 {
			nr, act := uint32(data[0]), data[1]
			data = data[2:]
			sc := specs.LinuxSyscall{Names: []string{byNumber[nr]}, Action: actions[int(act)%len(actions)]}
			for range act / 64 * 2 {
				if len(data) < 17 {
					break
				}
				sc.Args = append(sc.Args, specs.LinuxSeccompArg{
					Index: uint(data[0]) % 6, Op: ops[int(data[0]/6)%len(ops)],
					Value: binary.LittleEndian.Uint64(data[1:]), ValueTwo: binary.LittleEndian.Uint64(data[9:]),
				})
				data = data[17:]
			}
			p.Syscalls = append(p.Syscalls, sc)
			numbers = append(numbers, nr, nr|x32Bit)
		}
		if _, err := seccomp.Compile(p); err != nil {
			t.Skip(err) // too long
		}
		compare(t, p, append(numbers, 600), 4)
	})
}
