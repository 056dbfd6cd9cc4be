// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	mobyseccomp "github.com/moby/profiles/seccomp"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"coracle/pkg/ids/paper"
	"coracle/pkg/ns/seccomp"
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
		if p, err = mobyseccomp.LoadProfile(o.Seccomp, s); err == nil && seccomp.Notifies(p) {
			err = errors.New("SCMP_ACT_NOTIFY is not supported: there is no agent to listen")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("seccomp profile: %w", err)
	}
	switch {
	case !o.Maps.Single():
	case o.Identities:
		p = HandOver(p, o.HideOwners)
	default:
		p = orAll(p)
		fakeRoot(p, false)
	}
	return p, nil
}

// HandOver changes a profile, nil for none, for processes with a single id whose listener
// is a Keeper's (package ids/paper): the calls that it answers are handed over to it, those
// of files but for hideOwners.
func HandOver(p *specs.LinuxSeccomp, hideOwners bool) *specs.LinuxSeccomp {
	p = orAll(p)
	fakeRoot(p, true)
	if !hideOwners {
		handFiles(p)
	}
	return p
}

func orAll(p *specs.LinuxSeccomp) *specs.LinuxSeccomp {
	if p == nil {
		p = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow}
	}
	return p
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
// have changed is not there to be changed. Where somebody listens, these calls are
// handed over: a program may want to see that its identity has changed, and who a
// file was given to is noted.
func fakeRoot(p *specs.LinuxSeccomp, listened bool) {
	rules := devicesDone()
	if listened {
		rules = append(rules, handed()...)
	} else {
		done := slices.Concat(paper.SetCalls(), paper.ChownCalls())
		rules = append(rules, specs.LinuxSyscall{Names: done, Action: specs.ActErrno, ErrnoRet: new(uint)})
	}
	var mentioned, rest []string
	for _, r := range rules {
		mentioned = append(mentioned, r.Names...)
		if len(r.Args) > 0 {
			rest = append(rest, r.Names...)
		}
	}
	// What is allowed without conditions would beat our conditions.
	for i := range p.Syscalls {
		if len(p.Syscalls[i].Args) == 0 {
			p.Syscalls[i].Names = without(p.Syscalls[i].Names, mentioned...)
		}
	}
	p.Syscalls = append(rules, p.Syscalls...)
	p.Syscalls = append(p.Syscalls, specs.LinuxSyscall{Names: slices.Compact(rest), Action: specs.ActAllow, Args: always})
}

// always is a condition, where one is needed.
var always = []specs.LinuxSeccompArg{{Index: 0, Op: specs.OpGreaterEqual, Value: 0}}

// devicesDone pretends that devices are made.
func devicesDone() []specs.LinuxSyscall {
	var rules []specs.LinuxSyscall
	for _, kind := range []uint64{unix.S_IFCHR, unix.S_IFBLK} {
		for i, name := range []string{"mknod", "mknodat"} { // the mode is the second argument, or the third
			rules = append(rules, specs.LinuxSyscall{
				Names: []string{name}, Action: specs.ActErrno, ErrnoRet: new(uint),
				Args: []specs.LinuxSeccompArg{{Index: uint(i + 1), Op: specs.OpMaskedEqual, Value: unix.S_IFMT, ValueTwo: kind}},
			})
		}
	}
	return rules
}

// handed hands the calls that package ids answers to its Keeper.
func handed() []specs.LinuxSyscall {
	rules := []specs.LinuxSyscall{{Names: slices.Concat(paper.SetCalls(), paper.GetCalls(), paper.ChownCalls()), Action: specs.ActNotify}}
	for _, option := range paper.KeepOptions() {
		rules = append(rules, specs.LinuxSyscall{
			Names: []string{"prctl"}, Action: specs.ActNotify,
			Args: []specs.LinuxSeccompArg{{Index: 0, Op: specs.OpEqualTo, Value: option}},
		})
	}
	return rules
}

// handFiles hands calls about files over wherever the profile allows them: those that
// tell whose a file is, and those that make one.
func handFiles(p *specs.LinuxSeccomp) {
	making, opening := paper.MakeCalls()
	whole := slices.Concat(paper.StatCalls(), making)
	creates := func(arg uint) specs.LinuxSeccompArg {
		return specs.LinuxSeccompArg{Index: arg, Op: specs.OpMaskedEqual, Value: unix.O_CREAT, ValueTwo: unix.O_CREAT}
	}
	var list []specs.LinuxSyscall
	for _, r := range p.Syscalls {
		if r.Action != specs.ActAllow {
			list = append(list, r)
			continue
		}
		named := r.Names
		r.Names = without(named, append(slices.Collect(maps.Keys(opening)), whole...)...)
		if taken := common(whole, named); len(taken) > 0 {
			list = append(list, specs.LinuxSyscall{Names: taken, Action: specs.ActNotify, Args: r.Args})
		}
		for name, arg := range opening {
			if !slices.Contains(named, name) {
				continue
			}
			args := r.Args
			if len(args) == 0 {
				args = always // it would beat what is handed over
			}
			list = append(list,
				specs.LinuxSyscall{Names: []string{name}, Action: specs.ActNotify, Args: append(slices.Clone(r.Args), creates(arg))},
				specs.LinuxSyscall{Names: []string{name}, Action: specs.ActAllow, Args: args})
		}
		list = append(list, r)
	}
	if p.DefaultAction == specs.ActAllow {
		list = append(list, specs.LinuxSyscall{Names: whole, Action: specs.ActNotify, Args: always})
		for name, arg := range opening {
			list = append(list, specs.LinuxSyscall{Names: []string{name}, Action: specs.ActNotify, Args: []specs.LinuxSeccompArg{creates(arg)}})
		}
	}
	p.Syscalls = list
}

func common(a, b []string) (both []string) {
	for _, n := range a {
		if slices.Contains(b, n) {
			both = append(both, n)
		}
	}
	return both
}
