// SPDX-License-Identifier: Apache-2.0

//go:build lockorder

package state

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
)

// What the tag lockorder adds to a build, which is what tests run: the process
// ends, and says where, when it waits for a lock against the order or calls
// another process while it holds one. A goroutine stands for a line of work:
// what others of the same process hold is waited for like another process's.

// held are the locks of this process.
var held = struct {
	sync.Mutex
	locks map[*Lock]holding
}{locks: map[*Lock]holding{}}

type holding struct {
	LockFile
	goroutine string
}

// goroutine is the number of the running one, as its stack's first line has it:
// "goroutine 7 [running]:".
func goroutine() string {
	buf := make([]byte, 64)
	f := bytes.Fields(buf[:runtime.Stack(buf, false)])
	return string(f[1])
}

// mine are the locks that the running goroutine has taken.
func mine() []LockFile {
	me := goroutine()
	held.Lock()
	defer held.Unlock()
	var list []LockFile
	for _, h := range held.locks {
		if h.goroutine == me {
			list = append(list, h.LockFile)
		}
	}
	return list
}

// outOfOrder says which of the locks held must not be held while next is waited
// for, or is "".
func outOfOrder(holds []LockFile, next LockFile) string {
	for _, h := range holds {
		if h.Rank > next.Rank || h.Rank == next.Rank && h.Path >= next.Path {
			return fmt.Sprintf("waits for lock %v (%s) while it holds %v (%s); the order is %s", next.Rank, next.Path, h.Rank, h.Path, LockOrder())
		}
	}
	return ""
}

func checkOrder(next LockFile) {
	if bad := outOfOrder(mine(), next); bad != "" {
		end(bad)
	}
}

func noteHeld(l *Lock) {
	h := holding{l.file, goroutine()}
	held.Lock()
	defer held.Unlock()
	held.locks[l] = h
}

func noteReleased(l *Lock) {
	held.Lock()
	defer held.Unlock()
	delete(held.locks, l)
}

// MustHoldNone is called by who is about to wait for another process. Of a lock
// that is held meanwhile nobody knows how long it will take; that of a project is for
// those who do not mind.
func MustHoldNone(doing string) {
	for _, h := range mine() {
		if h.Rank == RankProject {
			continue
		}
		end(fmt.Sprintf("is to %s while it holds lock %v (%s)", doing, h.Rank, h.Path))
	}
}

func end(why string) {
	fmt.Fprintf(os.Stderr, "lock order: this process %s\n%s", why, debug.Stack())
	os.Exit(exitOutOfOrder)
}

// exitOutOfOrder is no exit code that coracle has otherwise.
const exitOutOfOrder = 99
