// SPDX-License-Identifier: Apache-2.0

package seccomp_test

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// call is struct seccomp_data of seccomp(2), as far as filters look at it.
type call struct {
	nr, arch uint32
	args     [6]uint64
}

// word is the 32-bit word at an offset, on a little-endian machine.
func (c *call) word(offset uint32) uint32 {
	switch {
	case offset == 0:
		return c.nr
	case offset == 4:
		return c.arch
	default:
		return uint32(c.args[(offset-16)/8] >> (8 * (offset % 8)))
	}
}

// check is what the kernel checks of a program before it takes it: known
// instructions, loads inside of the data, jumps inside of the program, and no
// way off its end.
func check(prog []unix.SockFilter) error {
	if len(prog) == 0 || len(prog) > 4096 {
		return fmt.Errorf("%d instructions", len(prog))
	}
	for i, in := range prog {
		left := len(prog) - i - 1
		switch in.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			if in.K%4 != 0 || in.K >= 64 || in.K >= 8 && in.K < 16 {
				return fmt.Errorf("instruction %d loads at %d", i, in.K)
			}
		case unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, unix.BPF_RET | unix.BPF_K:
		case unix.BPF_JMP | unix.BPF_JA:
			if int64(in.K) >= int64(left) {
				return fmt.Errorf("instruction %d jumps out", i)
			}
		case unix.BPF_JMP | unix.BPF_JEQ, unix.BPF_JMP | unix.BPF_JGT, unix.BPF_JMP | unix.BPF_JGE:
			if int(in.Jt) >= left || int(in.Jf) >= left {
				return fmt.Errorf("instruction %d jumps out", i)
			}
		default:
			return fmt.Errorf("instruction %d is %#x", i, in.Code)
		}
	}
	if prog[len(prog)-1].Code != unix.BPF_RET|unix.BPF_K {
		return fmt.Errorf("the last instruction is no return")
	}
	return nil
}

// run executes a program that check has passed.
func run(prog []unix.SockFilter, c *call) uint32 {
	var a uint32
	for pc := 0; ; pc++ {
		in := prog[pc]
		var yes bool
		switch in.Code &^ unix.BPF_K {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			a = c.word(in.K)
			continue
		case unix.BPF_ALU | unix.BPF_AND:
			a &= in.K
			continue
		case unix.BPF_RET:
			return in.K
		case unix.BPF_JMP | unix.BPF_JA:
			pc += int(in.K)
			continue
		case unix.BPF_JMP | unix.BPF_JEQ:
			yes = a == in.K
		case unix.BPF_JMP | unix.BPF_JGT:
			yes = a > in.K
		case unix.BPF_JMP | unix.BPF_JGE:
			yes = a >= in.K
		}
		if yes {
			pc += int(in.Jt)
		} else {
			pc += int(in.Jf)
		}
	}
}
