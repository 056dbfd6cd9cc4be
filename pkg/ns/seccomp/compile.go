// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"fmt"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Offsets in struct seccomp_data, see seccomp(2).
const (
	offNumber = 0
	offArch   = 4
	offArgs   = 16
)

// maxProgram is BPF_MAXINSNS, the longest program the kernel takes.
const maxProgram = 4096

// x32Bit marks the numbers of the x32 ABI.
const x32Bit = 0x40000000

// Compile returns the program for p. Names that no ABI of this machine knows
// are left out, as in every other engine: profiles name calls of all
// architectures.
func Compile(p *specs.LinuxSeccomp) ([]unix.SockFilter, error) {
	calls := table()
	answers, err := answersTo(calls, p)
	if err != nil {
		return nil, err
	}
	codes := make([][]unix.SockFilter, len(answers))
	for i := range answers {
		codes[i] = answers[i].code()
	}
	var parts [][]unix.SockFilter
	list := abis()
	for _, a := range list {
		parts = append(parts, a.program(calls, codes))
	}
	prog := []unix.SockFilter{load(offArch)}
	for i, a := range list {
		// Skip this part unless the call came in by its ABI. A part is longer
		// than a conditional jump reaches.
		prog = append(prog, jump(unix.BPF_JEQ, a.audit, 1, 0), skip(len(parts[i])))
		prog = append(prog, parts[i]...)
	}
	prog = append(prog, ret(unix.SECCOMP_RET_KILL_PROCESS))
	if len(prog) > maxProgram {
		return nil, fmt.Errorf("program of %d instructions is longer than %d", len(prog), maxProgram)
	}
	return prog, nil
}

// rule is one line of a profile: an action for calls whose arguments match
// all conditions.
type rule struct {
	action uint32
	args   []specs.LinuxSeccompArg
}

// answer is what one system call gets: the first rule that matches, else the
// default.
type answer struct {
	rules   []rule
	def     uint32
	settled bool
}

// add gives a rule without conditions precedence over all with some, as
// libseccomp does; among several the first wins.
func (a *answer) add(list []rule) {
	switch {
	case a.settled:
	case len(list[0].args) == 0:
		a.def, a.rules, a.settled = list[0].action, nil, true
	default:
		a.rules = append(a.rules, list...)
	}
}

// answersTo collects the rules of every call of the table, by its place there.
func answersTo(calls []call, p *specs.LinuxSeccomp) ([]answer, error) {
	def, err := action(p.DefaultAction, p.DefaultErrnoRet)
	if err != nil {
		return nil, err
	}
	answers := make([]answer, len(calls))
	for i := range answers {
		answers[i].def = def
	}
	for _, sc := range p.Syscalls {
		act, err := action(sc.Action, sc.ErrnoRet)
		if err != nil {
			return nil, err
		}
		for _, arg := range sc.Args {
			if arg.Index > 5 {
				return nil, fmt.Errorf("argument %d of %v: there are only 6", arg.Index, sc.Names)
			}
			if _, err := compare(arg, 0); err != nil {
				return nil, err
			}
		}
		list := rules(act, sc.Args)
		for _, name := range sc.Names {
			if i, ok := find(calls, name); ok {
				answers[i].add(list)
			}
		}
	}
	return answers, nil
}

// rules are those of one line of a profile: one, unless two of its conditions
// are about the same argument. Such a line has always meant that either is
// enough, for libseccomp could not say anything else, and profiles rely on it.
func rules(act uint32, args []specs.LinuxSeccompArg) []rule {
	seen := [6]bool{}
	for _, arg := range args {
		if !seen[arg.Index] {
			seen[arg.Index] = true
			continue
		}
		var list []rule
		for _, a := range args {
			list = append(list, rule{act, []specs.LinuxSeccompArg{a}})
		}
		return list
	}
	return []rule{{act, args}}
}

// span is a run of numbers from start on with the same code.
type span struct {
	start uint32
	code  []unix.SockFilter
}

// program searches the number in a tree of spans, and goes on with the code of
// its call.
func (a abi) program(calls []call, codes [][]unix.SockFilter) []unix.SockFilter {
	places := make([]int, 0, len(calls)) // in the table, by number
	for i := range calls {
		if calls[i].numbers[a.column] >= 0 {
			places = append(places, i)
		}
	}
	slices.SortFunc(places, func(i, j int) int { return int(calls[i].numbers[a.column] - calls[j].numbers[a.column]) })
	unknown := []unix.SockFilter{ret(unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS))}
	spans := append(make([]span, 0, len(places)), span{0, unknown})
	add := func(start uint32, code []unix.SockFilter) {
		last := &spans[len(spans)-1]
		switch {
		case slices.Equal(last.code, code):
		case last.start == start:
			last.code = code
		default:
			spans = append(spans, span{start, code})
		}
	}
	next := uint32(0)
	for _, i := range places {
		n := uint32(calls[i].numbers[a.column])
		if n > next {
			add(next, unknown)
		}
		add(n, codes[i])
		next = n + 1
	}
	add(next, unknown)
	if a.x32 {
		add(x32Bit, unknown)
	}
	prog := append(tree(nil, spans), load(offNumber))
	slices.Reverse(prog)
	return prog
}

// tree is a binary search; the number is in the accumulator. It is appended to a
// program from its end on, where the distance to jump is known.
func tree(prog []unix.SockFilter, spans []span) []unix.SockFilter {
	if len(spans) == 1 {
		for _, instruction := range slices.Backward(spans[0].code) {
			prog = append(prog, instruction)
		}
		return prog
	}
	mid := len(spans) / 2
	prog = tree(prog, spans[mid:])
	high := len(prog)
	prog = tree(prog, spans[:mid])
	low := len(prog) - high
	if low <= 255 {
		return append(prog, jump(unix.BPF_JGE, spans[mid].start, uint8(low), 0))
	}
	return append(prog, skip(low), jump(unix.BPF_JGE, spans[mid].start, 0, 1))
}

// code is a whole answer: it always returns.
func (a *answer) code() []unix.SockFilter {
	var code []unix.SockFilter
	for _, r := range a.rules {
		code = append(code, r.code()...)
	}
	return append(code, ret(a.def))
}

// code returns the action if all conditions hold and falls through otherwise.
// It is built from its end, where the distance to the next rule is known.
func (r rule) code() []unix.SockFilter {
	code := []unix.SockFilter{ret(r.action)}
	for _, arg := range slices.Backward(r.args) {
		test, _ := compare(arg, len(code)) // checked before
		code = append(test, code...)
	}
	return code
}

// compare tests one 64-bit argument in two halves, the high one first, and
// jumps over the next n instructions when the condition does not hold.
func compare(arg specs.LinuxSeccompArg, n int) ([]unix.SockFilter, error) {
	low, high := uint32(offArgs+8*arg.Index), uint32(offArgs+8*arg.Index+4)
	vl, vh := uint32(arg.Value), uint32(arg.Value>>32)
	miss := uint8(n)
	switch arg.Op {
	case specs.OpEqualTo:
		return []unix.SockFilter{
			load(high), jump(unix.BPF_JEQ, vh, 0, miss+2),
			load(low), jump(unix.BPF_JEQ, vl, 0, miss),
		}, nil
	case specs.OpNotEqual:
		return []unix.SockFilter{
			load(high), jump(unix.BPF_JEQ, vh, 0, 2),
			load(low), jump(unix.BPF_JEQ, vl, miss, 0),
		}, nil
	case specs.OpMaskedEqual: // (argument & Value) == ValueTwo
		return []unix.SockFilter{
			load(high), and(vh), jump(unix.BPF_JEQ, uint32(arg.ValueTwo>>32), 0, miss+3),
			load(low), and(vl), jump(unix.BPF_JEQ, uint32(arg.ValueTwo), 0, miss),
		}, nil
	case specs.OpGreaterThan:
		return ordered(low, high, vl, vh, unix.BPF_JGT, miss, true), nil
	case specs.OpGreaterEqual:
		return ordered(low, high, vl, vh, unix.BPF_JGE, miss, true), nil
	case specs.OpLessThan: // not ≥
		return ordered(low, high, vl, vh, unix.BPF_JGE, miss, false), nil
	case specs.OpLessEqual: // not >
		return ordered(low, high, vl, vh, unix.BPF_JGT, miss, false), nil
	}
	return nil, fmt.Errorf("operator %q is not known", arg.Op)
}

// ordered compares by the high halves, and by the low ones with op where those
// are equal; want is the result that counts as a match.
func ordered(low, high, vl, vh uint32, op uint16, miss uint8, want bool) []unix.SockFilter {
	hit, not := uint8(0), miss
	if !want {
		hit, not = miss, 0
	}
	return []unix.SockFilter{
		load(high),
		jump(unix.BPF_JGT, vh, hit+3, 0),
		jump(unix.BPF_JEQ, vh, 0, not+2),
		load(low),
		jump(op, vl, hit, not),
	}
}

func load(offset uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
}

func and(mask uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: mask}
}

func jump(op uint16, k uint32, yes, no uint8) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | op | unix.BPF_K, K: k, Jt: yes, Jf: no}
}

func skip(n int) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JA, K: uint32(n)}
}

func ret(action uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: action}
}

// action is the value a program returns for an OCI action.
func action(a specs.LinuxSeccompAction, errno *uint) (uint32, error) {
	code := uint32(unix.EPERM)
	if errno != nil {
		code = uint32(*errno)
	}
	switch a {
	case specs.ActAllow:
		return unix.SECCOMP_RET_ALLOW, nil
	case specs.ActErrno:
		return unix.SECCOMP_RET_ERRNO | code&0xffff, nil
	case specs.ActTrace:
		return unix.SECCOMP_RET_TRACE | code&0xffff, nil
	case specs.ActTrap:
		return unix.SECCOMP_RET_TRAP, nil
	case specs.ActNotify:
		return unix.SECCOMP_RET_USER_NOTIF, nil
	case specs.ActLog:
		return unix.SECCOMP_RET_LOG, nil
	case specs.ActKill, specs.ActKillThread:
		return unix.SECCOMP_RET_KILL_THREAD, nil
	case specs.ActKillProcess:
		return unix.SECCOMP_RET_KILL_PROCESS, nil
	}
	return 0, fmt.Errorf("action %q is not supported", a)
}

// Notifies reports whether a profile, nil for none, hands calls to a listener.
func Notifies(p *specs.LinuxSeccomp) bool {
	return p != nil && (p.DefaultAction == specs.ActNotify ||
		slices.ContainsFunc(p.Syscalls, func(sc specs.LinuxSyscall) bool { return sc.Action == specs.ActNotify }))
}
