// SPDX-License-Identifier: Apache-2.0

package container

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"coracle/pkg/ids"
	"coracle/pkg/ns"
	"coracle/pkg/trace"
)

// Supervisor is one that was spawned and waits to be told what to start. It
// ends by itself when nobody tells it.
type Supervisor struct {
	ready chan struct{} // closed when the rest is there
	conn  *Conn
	maps  ids.Maps
	pid   int
	err   error
}

// Spawn begins to spawn the supervisor of a container, which need not exist
// yet: it takes as long as finding the image and making the container.
func (s *Store) Spawn(id string) *Supervisor {
	v := &Supervisor{ready: make(chan struct{})}
	go func() {
		defer close(v.ready)
		v.finish(v.spawn(s, id, nil))
	}()
	return v
}

func (v *Supervisor) finish(err error) {
	if v.err = err; err != nil && v.conn != nil {
		v.conn.Close()
		v.conn = nil
	}
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

func (v *Supervisor) spawn(s *Store, id string, around *os.File) (err error) {
	if v.maps, err = ids.HostMaps(); err != nil {
		return err
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socketpair", err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "supervisor")
	defer theirs.Close()
	if v.conn, err = NewConn(os.NewFile(uintptr(pair[0]), "control")); err != nil {
		return err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	p, err := ns.Spawn{
		Stage: ns.StageSupervise,
		Args:  []string{s.dirs.Root, s.dirs.Run, id},
		Env:   supervisorEnv(),
		Files: []*os.File{theirs},
		// What it says goes to its log, once the container is there.
		Stdin: null, Stdout: null, Stderr: null,
		NewPID: true,
		Setsid: true,
		Maps:   &v.maps,
		Around: around,
	}.Start()
	if err != nil {
		return fmt.Errorf("start supervisor: %w", err)
	}
	if around != nil {
		if err := sameIDs(p.Pid, v.maps); err != nil {
			return err
		}
	}
	trace.Mark("spawned supervisor and mapped its ids")
	v.pid = p.Pid
	return p.Release()
}

// supervisorEnv is what a supervisor may know of the caller's environment: it
// outlives the command, and nothing of it may reach a container.
func supervisorEnv() []string {
	var env []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		switch name {
		case "GODEBUG", "TZ":
			env = append(env, kv)
		}
	}
	env = append(env, trace.Env()...)
	return append(env, "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "GOMAXPROCS="+strconv.Itoa(supervisorProcs))
}

// supervisorProcs bounds the threads of a supervisor: there is one for every
// container, and most of them sleep.
const supervisorProcs = 2
