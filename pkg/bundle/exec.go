// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"fmt"
	"net"
	"os"
	"path/filepath"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"coracle/pkg/ids"
	"coracle/pkg/ns"
	"coracle/pkg/state"
)

// ExecOptions are the arguments of exec.
type ExecOptions struct {
	ID, PidFile, ConsoleSocket string
	// Process makes what runs from the container's own process.
	Process               func(first *specs.Process) (*specs.Process, error)
	Detach                bool // nobody stays to carry a terminal
	Stdin, Stdout, Stderr *os.File
}

// Exec runs another process in a running container and returns when it is its
// program.
func (s *Store) Exec(o ExecOptions) (*Process, error) {
	c, err := s.Get(o.ID)
	if err != nil {
		return nil, err
	}
	if st := c.Status(); st != specs.StateRunning {
		return nil, fmt.Errorf("cannot exec in container %q: it is %s", o.ID, st)
	}
	sp, err := c.config()
	if err != nil {
		return nil, err
	}
	p, err := o.Process(sp.Process)
	if err != nil {
		return nil, err
	}
	if err := checkProcess(p); err != nil {
		return nil, err
	}
	console, err := s.console(p, o.ConsoleSocket, o.Detach)
	if err != nil {
		return nil, err
	}
	if console != nil {
		defer console.Close()
	}
	own, err := ids.Of(c.Init.Pid)
	if err != nil {
		return nil, fmt.Errorf("exec in container %q: %w", o.ID, err)
	}
	p, who := onPaper(sp, p, own)
	first, err := ns.Find(c.Init.Pid, sp)
	if err != nil {
		return nil, fmt.Errorf("exec in container %q: %w", o.ID, err)
	}
	group, err := c.group()
	if err != nil {
		return nil, err
	}
	if group >= 0 {
		defer unix.Close(group)
	}
	in := ns.JoinOptions{Spec: sp, Process: p, Stdin: o.Stdin, Stdout: o.Stdout, Stderr: o.Stderr, CgroupFD: group}
	if p.Terminal {
		in.Stdin, in.Stdout, in.Stderr = nil, nil, nil
	}
	// The pid is the container's as long as it lives at both ends of the join:
	// a pid namespace ends with its first process.
	i, err := ns.Join(first, in)
	if err != nil {
		return nil, fmt.Errorf("exec in container %q: %w", o.ID, err)
	}
	if err := keep(i, who); err != nil {
		i.Abandon()
		return nil, err
	}
	if !c.Init.Alive() {
		i.Abandon()
		return nil, fmt.Errorf("cannot exec in container %q: it is stopped", o.ID)
	}
	return launch(i, console, p.ConsoleSize, o.PidFile)
}

// launch gives the terminal away, writes the pid file and executes the program.
func launch(i *ns.Process, console *net.UnixConn, size *specs.Box, pidFile string) (p *Process, err error) {
	defer func() {
		if err != nil {
			i.Abandon()
		}
	}()
	if console != nil {
		if err := sendConsole(console, i.Console, size); err != nil {
			return nil, err
		}
		i.Console.Close()
		i.Console = nil
	} else if i.Console != nil {
		resize(i.Console, size)
	}
	if err := writePid(pidFile, i.Process.Pid); err != nil {
		return nil, err
	}
	if err := i.Release(); err != nil {
		return nil, err
	}
	return &Process{init: i, Console: i.Console}, nil
}

// LoadProcess reads the process object of exec --process.
func LoadProcess(path string) (*specs.Process, error) {
	var p specs.Process
	if err := state.ReadJSON(filepath.Clean(path), &p); err != nil {
		return nil, fmt.Errorf("read process: %w", err)
	}
	return &p, nil
}
