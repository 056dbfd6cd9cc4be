// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"fmt"

	mobyseccomp "github.com/moby/profiles/seccomp"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// profile returns the system call policy: Docker's, evaluated for the
// capabilities of s, with our own lines before it.
func profile(o Options, s *specs.Spec) (*specs.LinuxSeccomp, error) {
	var p *specs.LinuxSeccomp
	var err error
	switch {
	case o.Seccomp == "unconfined", o.Privileged && o.Seccomp == "":
		p = nil
	case o.Seccomp == "":
		if p, err = mobyseccomp.GetDefaultProfile(s); err == nil {
			harden(p)
		}
	default:
		p, err = mobyseccomp.LoadProfile(o.Seccomp, s)
	}
	if err != nil {
		return nil, fmt.Errorf("seccomp profile: %w", err)
	}
	if o.Maps.Single() {
		if p == nil {
			p = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow}
		}
		fakeRoot(p)
	}
	return p, nil
}

// harden adds what Docker's profile leaves open. A rule without conditions has
// precedence over all others for its calls.
func harden(p *specs.LinuxSeccomp) {
	nosys := uint(unix.ENOSYS)
	p.Syscalls = append([]specs.LinuxSyscall{
		// The arguments of socketcall are behind a pointer, where no filter
		// sees them: rules about socket families would be void for i386.
		{Names: []string{"socketcall"}, Action: specs.ActErrno, ErrnoRet: &nosys},
		// Characters typed into the terminal of whoever started us.
		deny("ioctl", 1, unix.TIOCSTI),
		deny("ioctl", 1, unix.TIOCLINUX),
	}, p.Syscalls...)
	for i := range p.Syscalls {
		sc := &p.Syscalls[i]
		if i >= 1 && sc.Action == specs.ActAllow && len(sc.Args) == 0 {
			// What is allowed without conditions would beat our conditions.
			sc.Names = without(sc.Names, "ioctl", "socketcall")
		}
	}
	p.Syscalls = append(p.Syscalls, specs.LinuxSyscall{
		Names: []string{"ioctl"}, Action: specs.ActAllow,
		Args: []specs.LinuxSeccompArg{{Index: 0, Op: specs.OpGreaterEqual, Value: 0}},
	})
}

// deny answers EPERM where the low half of an argument is value: the kernel
// looks at no more of an ioctl's number.
func deny(name string, arg uint, value uint64) specs.LinuxSyscall {
	eperm := uint(unix.EPERM)
	return specs.LinuxSyscall{
		Names: []string{name}, Action: specs.ActErrno, ErrnoRet: &eperm,
		Args: []specs.LinuxSeccompArg{{Index: arg, Op: specs.OpMaskedEqual, Value: 0xffffffff, ValueTwo: value}},
	}
}

func without(names []string, drop ...string) []string {
	var out []string
next:
	for _, n := range names {
		for _, d := range drop {
			if n == d {
				continue next
			}
		}
		out = append(out, n)
	}
	return out
}

// fakeRoot lets programs that change owners and users work with a single id:
// the calls do nothing and succeed, as charliecloud does it. What they would
// have changed is not there to be changed.
func fakeRoot(p *specs.LinuxSeccomp) {
	zero := uint(0)
	names := []string{
		"chown", "chown32", "fchown", "fchown32", "lchown", "lchown32", "fchownat",
		"setuid", "setuid32", "setgid", "setgid32", "setreuid", "setreuid32", "setregid", "setregid32",
		"setresuid", "setresuid32", "setresgid", "setresgid32", "setfsuid", "setfsuid32", "setfsgid", "setfsgid32",
		"setgroups", "setgroups32", "capset",
	}
	for i := range p.Syscalls {
		if len(p.Syscalls[i].Args) == 0 {
			p.Syscalls[i].Names = without(p.Syscalls[i].Names, append(names, "mknod", "mknodat")...)
		}
	}
	rules := []specs.LinuxSyscall{{Names: names, Action: specs.ActErrno, ErrnoRet: &zero}}
	for _, kind := range []uint64{unix.S_IFCHR, unix.S_IFBLK} {
		for name, mode := range map[string]uint{"mknod": 1, "mknodat": 2} {
			rules = append(rules, specs.LinuxSyscall{
				Names: []string{name}, Action: specs.ActErrno, ErrnoRet: &zero,
				Args: []specs.LinuxSeccompArg{{Index: mode, Op: specs.OpMaskedEqual, Value: unix.S_IFMT, ValueTwo: kind}},
			})
		}
	}
	p.Syscalls = append(rules, p.Syscalls...)
	p.Syscalls = append(p.Syscalls, specs.LinuxSyscall{
		Names: []string{"mknod", "mknodat"}, Action: specs.ActAllow,
		Args: []specs.LinuxSeccompArg{{Index: 0, Op: specs.OpGreaterEqual, Value: 0}},
	})
}
