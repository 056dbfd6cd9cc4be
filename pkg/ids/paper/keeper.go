// SPDX-License-Identifier: Apache-2.0

package paper

import (
	"errors"
	"sync"

	"golang.org/x/sys/unix"

	"coracle/pkg/ids"
)

const (
	// rlimitLocks is RLIMIT_LOCKS, see getrlimit(2).
	rlimitLocks = 10
	// firstToken is the first number of an identity: a limit that somebody
	// means as a limit is smaller.
	firstToken = 1 << 40
	// maxIdentities bounds what a program can make a Keeper remember: 64 KiB of
	// groups each.
	maxIdentities = 4096
	maxGroups     = 65536 // NGROUPS_MAX
)

// Keeper knows the identities of processes. Several listeners may share one:
// that of a container's first process and those of processes that joined it.
type Keeper struct {
	mu     sync.Mutex
	tokens map[identity]uint64
	list   []identity // by token-firstToken

	processes processes
	made      made
	waits     bool // the kernel may be asked for a request that is not there yet
}

// NewKeeper returns one that takes every process for root.
func NewKeeper() *Keeper {
	return &Keeper{tokens: map[identity]uint64{}, waits: kernelAtLeast(6, 11)}
}

// answer makes a call for its process.
func (k *Keeper) answer(c *call, req *request) response {
	resp := response{id: req.id}
	c.pid, c.who, c.known, c.proc = int(req.pid), identity{}, false, place{}
	h := handlerOf(req.arch, req.nr)
	if h == nil {
		resp.flags = unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE
		return resp
	}
	val, err := h(c, req.args)
	switch {
	case errors.Is(err, errAsKernel):
		resp.flags = unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE
	case err != nil:
		resp.error = errnoOf(err)
	default:
		resp.val = int64(val)
	}
	return resp
}

// of returns a process's identity, and whether it has changed since it began.
func (k *Keeper) of(pid int) (identity, bool) {
	var l unix.Rlimit
	if err := unix.Prlimit(pid, rlimitLocks, nil, &l); err != nil || l.Cur < firstToken || l.Cur == unix.RLIM_INFINITY {
		return identity{}, false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if n := l.Cur - firstToken; n < uint64(len(k.list)) {
		return k.list[n], true
	}
	return identity{}, false
}

// token returns the number of an identity; none when there are too many.
func (k *Keeper) token(who identity) (uint64, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if t, ok := k.tokens[who]; ok {
		return t, true
	}
	if len(k.list) == maxIdentities {
		return 0, false
	}
	t := firstToken + uint64(len(k.list))
	k.tokens[who], k.list = t, append(k.list, who)
	return t, true
}

// Assume makes a process that has not begun yet somebody on paper.
//
// Preconditions: its filter hands calls to a listener that this Keeper serves.
func (k *Keeper) Assume(pid int, u ids.User) {
	all := func(id uint32) triple { return triple{id, id, id, id} }
	k.give(pid, identity{uid: all(u.UID), gid: all(u.GID), groups: string(le32(u.AdditionalGIDs...))})
}

// give makes who the identity of a process. Where that cannot be noted, for the
// program has lowered the hard limit, the call has succeeded all the same.
func (k *Keeper) give(pid int, who identity) {
	var l unix.Rlimit
	if unix.Prlimit(pid, rlimitLocks, nil, &l) != nil {
		return
	}
	if t, ok := k.token(who); ok {
		_ = unix.Prlimit(pid, rlimitLocks, &unix.Rlimit{Cur: t, Max: l.Max}, nil)
	}
}
