// SPDX-License-Identifier: Apache-2.0

package client

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"coracle/pkg/container"
	"coracle/pkg/ids"
	"coracle/pkg/ids/paper"
	"coracle/pkg/ns"
	"coracle/pkg/state"
	"coracle/pkg/trace"
	"coracle/pkg/wire/socket"
)

// Supervisor is one that was spawned and waits to be told what to start. It
// ends by itself when nobody tells it.
type Supervisor struct {
	ready chan struct{} // closed when the rest is there
	conn  *socket.Conn
	maps  ids.Maps
	pid   int
	err   error
}

// Spawn begins to spawn the supervisor of a container, which need not exist
// yet: it takes as long as finding the image and making the container.
func Spawn(s *container.Store, id string) *Supervisor {
	return spawnAround(s, id, ids.HostMaps, nil)
}

// spawnAround is Spawn with other maps, and in surroundings that exist unless they
// are nil.
func spawnAround(s *container.Store, id string, maps func() (ids.Maps, error), around *surroundings) *Supervisor {
	v := &Supervisor{ready: make(chan struct{})}
	go func() {
		defer close(v.ready)
		if v.maps, v.err = maps(); v.err != nil {
			return
		}
		if v.err = v.spawn(s.Dirs(), id, around); v.err != nil && v.conn != nil {
			v.conn.Close()
			v.conn = nil
		}
	}()
	return v
}

// Close gives up a supervisor that was told nothing.
func (v *Supervisor) Close() {
	if v == nil {
		return
	}
	<-v.ready
	if v.conn != nil {
		v.conn.Close()
	}
}

func (v *Supervisor) spawn(d state.Dirs, id string, around *surroundings) (err error) {
	if around == nil {
		around = &surroundings{}
	}
	conn, theirs, err := socket.Pair()
	if err != nil {
		return err
	}
	v.conn = conn
	defer theirs.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	p, err := ns.Spawn{
		Stage: ns.StageSupervise,
		Args:  []string{d.Root, d.Run, id},
		Env:   supervisorEnv(),
		Files: []*os.File{theirs},
		// What it says goes to its log, once the container is there.
		Stdin: null, Stdout: null, Stderr: null,
		// Only from a pid namespace above it can a process be put into one that is
		// there: into another container's from the host's.
		NewPID: !around.pid,
		Setsid: true,
		Maps:   &v.maps,
		Around: around.user,
	}.Start()
	if err != nil {
		return fmt.Errorf("start supervisor: %w", err)
	}
	if around.user != nil {
		if err := sameIDs(p.Pid, v.maps); err != nil {
			return err
		}
	}
	trace.Mark("spawned supervisor and mapped its ids")
	v.pid = p.Pid
	reap(p)
	return nil
}

// reap takes note of a child's end, so that nothing is left of it in a process that
// lives on: without a thread that waits, for there may be many.
func reap(p *os.Process) {
	fd, err := unix.PidfdOpen(p.Pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		_ = p.Release()
		return
	}
	alive := os.NewFile(uintptr(fd), "pidfd")
	go func() {
		defer alive.Close()
		raw, err := alive.SyscallConn()
		if err != nil {
			return
		}
		_ = raw.Read(func(fd uintptr) bool {
			ended := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			n, err := unix.Poll(ended, 0)
			return err != nil && err != unix.EINTR || n > 0
		})
		_, _ = p.Wait()
	}()
}

// supervisorEnv is what a supervisor may know of the caller's environment: it
// outlives the command, and nothing of it may reach a container.
func supervisorEnv() []string {
	var env []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		switch name {
		case "GODEBUG", "TZ", paper.HideOwners:
			env = append(env, kv)
		}
	}
	env = append(env, trace.Env()...)
	return append(env, "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "GOMAXPROCS="+strconv.Itoa(supervisorProcs))
}

// supervisorProcs bounds the threads of a supervisor: there is one for every
// container, and most of them sleep.
const supervisorProcs = 2
