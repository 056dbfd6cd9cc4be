// SPDX-License-Identifier: Apache-2.0

package paper

import (
	"errors"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

// TestIdentities goes through the rules of setuid(2), setreuid(2), setresuid(2),
// setfsuid(2) and prctl(2) for a process that begins as root.
func TestIdentities(t *testing.T) {
	const minus1 = uint64(same)
	type step struct {
		nr   int32
		args [3]uint64
		want string // error, or users "real effective saved fs"
	}
	tests := map[string][]step{
		"setuid drops everything, for good": {
			{unix.SYS_SETUID, [3]uint64{100}, "100 100 100 100"},
			{unix.SYS_SETUID, [3]uint64{100}, "100 100 100 100"},
			{unix.SYS_SETUID, [3]uint64{0}, "operation not permitted"},
			{unix.SYS_SETRESUID, [3]uint64{minus1, minus1, 0}, "operation not permitted"},
			{unix.SYS_SETREUID, [3]uint64{0, minus1}, "operation not permitted"},
			{unix.SYS_SETGID, [3]uint64{7}, "operation not permitted"},
		},
		"seteuid comes back": {
			{unix.SYS_SETRESUID, [3]uint64{minus1, 33, minus1}, "0 33 0 33"},
			{unix.SYS_SETGID, [3]uint64{7}, "operation not permitted"},
			{unix.SYS_SETRESUID, [3]uint64{minus1, 0, minus1}, "0 0 0 0"},
			{unix.SYS_SETGID, [3]uint64{7}, "0 0 0 0"},
		},
		"setuid of somebody whose saved user is root": {
			{unix.SYS_SETRESUID, [3]uint64{5, 6, 0}, "5 6 0 6"},
			{unix.SYS_SETUID, [3]uint64{0}, "5 0 0 0"},
			{unix.SYS_SETUID, [3]uint64{9}, "9 9 9 9"},
		},
		"setreuid swaps, and the saved user follows": {
			{unix.SYS_SETREUID, [3]uint64{5, minus1}, "5 0 0 0"},
			{unix.SYS_SETREUID, [3]uint64{0, 5}, "0 5 5 5"},
			{unix.SYS_SETREUID, [3]uint64{5, 0}, "5 0 0 0"},
			{unix.SYS_SETREUID, [3]uint64{minus1, 5}, "5 5 0 5"},
		},
		"setfsuid stands alone": {
			{unix.SYS_SETFSUID, [3]uint64{8}, "0 0 0 8"},
			{unix.SYS_SETRESUID, [3]uint64{3, 3, 3}, "3 3 3 3"},
			{unix.SYS_SETFSUID, [3]uint64{8}, "3 3 3 3"},
		},
		"capabilities may be kept": {
			{unix.SYS_PRCTL, [3]uint64{unix.PR_SET_KEEPCAPS, 1}, "0 0 0 0"},
			{unix.SYS_SETRESUID, [3]uint64{33, 33, 33}, "33 33 33 33"},
			{unix.SYS_SETRESGID, [3]uint64{44, 44, 44}, "33 33 33 33"},
			{unix.SYS_SETUID, [3]uint64{34}, "34 34 34 34"},
		},
		"nobody is -1": {
			{unix.SYS_SETUID, [3]uint64{minus1}, "invalid argument"},
			{unix.SYS_SETRESUID, [3]uint64{minus1, minus1, minus1}, "0 0 0 0"},
		},
	}
	for name, steps := range tests {
		t.Run(name, func(t *testing.T) {
			var who identity
			for i, s := range steps {
				c := call{keeper: NewKeeper(), who: who, known: true, valid: func() bool { return false }}
				_, err := handler64(s.nr)(&c, args{s.args[0], s.args[1], s.args[2]})
				got := fmt.Sprint(c.who.uid.real, c.who.uid.effective, c.who.uid.saved, c.who.uid.fs)
				if err != nil && !errors.Is(err, errAsKernel) {
					got = err.Error()
				} else {
					who = c.who
				}
				if got != s.want {
					t.Fatalf("step %d: %s, want %s", i, got, s.want)
				}
			}
		})
	}
}

// TestKeeperForgetsNothingAndEndsSomewhere: equal identities share a number, and
// there is an end to different ones.
func TestKeeperForgetsNothingAndEndsSomewhere(t *testing.T) {
	k := NewKeeper()
	for n := range maxIdentities {
		if tok, ok := k.token(identity{groups: string(le32(uint32(n)))}); !ok || tok != firstToken+uint64(n) {
			t.Fatalf("identity %d: %d %v", n, tok, ok)
		}
	}
	if tok, ok := k.token(identity{groups: string(le32(7))}); !ok || tok != firstToken+7 {
		t.Errorf("one that was there: %d %v", tok, ok)
	}
	if _, ok := k.token(identity{groups: "more"}); ok {
		t.Error("there is no end")
	}
}
