// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"coracle/pkg/hint"
	"coracle/pkg/ids"
	"coracle/pkg/ns"
	"coracle/pkg/state"
)

// CreateOptions are the arguments of create and run.
type CreateOptions struct {
	ID, Bundle, PidFile, ConsoleSocket string
	Detach                             bool // run does not stay
	Stdin, Stdout, Stderr              *os.File
}

// Create sets a container up and leaves its first process waiting for Start.
func (s *Store) Create(o CreateOptions) error {
	c, p, err := s.create(o, true)
	if err != nil {
		return err
	}
	defer c.Unlock()
	return s.settle(c, p, o.PidFile, p.Park)
}

// settle writes down a container that is set up and lets its process go on;
// an error leaves nothing of it.
func (s *Store) settle(c *Container, p *ns.Process, pidFile string, on func() error) (err error) {
	defer func() {
		if err != nil {
			p.Abandon()
			err = errors.Join(err, c.remove())
		}
	}()
	if c.Init, err = state.Identify(p.Process.Pid); err != nil {
		return fmt.Errorf("create container: %w", err)
	}
	if err := writePid(pidFile, p.Process.Pid); err != nil {
		return err
	}
	if err := c.save(); err != nil {
		return err
	}
	return on()
}

// create makes the container's directory and its first process. The container
// is locked.
func (s *Store) create(o CreateOptions, park bool) (c *Container, p *ns.Process, err error) {
	if o.Bundle, err = filepath.Abs(o.Bundle); err != nil {
		return nil, nil, err
	}
	sp, config, err := load(o.Bundle)
	if err != nil {
		return nil, nil, err
	}
	console, err := s.console(sp.Process, o.ConsoleSocket, park || o.Detach)
	if err != nil {
		return nil, nil, err
	}
	if console != nil {
		defer console.Close()
	}
	if c, err = s.add(o.ID); err != nil {
		return nil, nil, err
	}
	if p, err = s.set(c, sp, config, o, console, park); err != nil {
		err = errors.Join(err, c.remove())
		c.Unlock()
		return nil, nil, err
	}
	return c, p, nil
}

// set starts the first process of c and gives its terminal away.
func (s *Store) set(c *Container, sp *specs.Spec, config []byte, o CreateOptions, console *net.UnixConn, park bool) (*ns.Process, error) {
	c.Version, c.Bundle, c.Rootfs, c.Annotations, c.Created = sp.Version, o.Bundle, sp.Root.Path, sp.Annotations, time.Now().UTC()
	if err := os.WriteFile(filepath.Join(c.dir, configFile), config, 0o600); err != nil {
		return nil, fmt.Errorf("create container: %w", err)
	}
	p, err := s.startInit(c, sp, o, park)
	if err != nil || console == nil {
		return p, err
	}
	if err := sendConsole(console, p.Console, sp.Process.ConsoleSize); err != nil {
		p.Abandon()
		return nil, err
	}
	p.Console.Close()
	p.Console = nil
	return p, nil
}

// console connects to where the terminal goes. Only what stays in the
// foreground can do without.
func (s *Store) console(p *specs.Process, path string, away bool) (*net.UnixConn, error) {
	switch terminal := p != nil && p.Terminal; {
	case terminal && path == "" && away:
		return nil, errors.New("process.terminal is set: --console-socket is needed")
	case !terminal && path != "":
		return nil, errors.New("--console-socket: process.terminal is not set")
	case path == "":
		return nil, nil
	}
	return dialConsole(path)
}

func (s *Store) startInit(c *Container, sp *specs.Spec, o CreateOptions, park bool) (*ns.Process, error) {
	if sp.Process == nil { // start will say that it is missing
		sp.Process = &specs.Process{Cwd: "/", Capabilities: &specs.LinuxCapabilities{}}
	}
	in := ns.InitOptions{
		Spec: sp, Stdin: o.Stdin, Stdout: o.Stdout, Stderr: o.Stderr,
		CgroupFD: -1, Maps: maps(sp), BindRoot: true, Mounted: c.beforePivot(sp.Hooks),
	}
	if sp.Process.Terminal {
		in.Stdin, in.Stdout, in.Stderr = nil, nil, nil
	}
	if park {
		l, err := listen(filepath.Join(c.dir, socketFile))
		if err != nil {
			return nil, err
		}
		defer l.Close()
		in.Listener = l
	}
	group, err := s.openGroup(c, sp)
	if err != nil {
		return nil, err
	}
	if group != nil {
		defer group.Close()
		in.CgroupFD = group.FD()
	}
	own, err := idsOf(sp)
	if err != nil {
		return nil, err
	}
	changed, who := *sp, (*ids.User)(nil)
	changed.Linux = new(specs.Linux)
	*changed.Linux = *sp.Linux
	changed.Process, who = onPaper(&changed, sp.Process, own)
	in.Spec = &changed
	p, err := ns.StartInit(in)
	if errors.Is(err, unix.EPERM) && os.Geteuid() != 0 && !hasUserNS(sp) {
		return nil, &rootlessError{err}
	}
	if err != nil {
		return nil, err
	}
	if err := keep(p, who); err != nil {
		p.Abandon()
		return nil, err
	}
	return p, nil
}

func hasUserNS(sp *specs.Spec) bool {
	return slices.ContainsFunc(sp.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == specs.UserNamespace })
}

// rootlessError is a config.json for root.
type rootlessError struct{ err error }

func (e *rootlessError) Error() string { return e.err.Error() }
func (e *rootlessError) Unwrap() error { return e.err }
func (e *rootlessError) Hint() string {
	return hint.UserNamespaces.After("this user may make no namespaces without a user namespace: config.json needs one in linux.namespaces, with linux.uidMappings and linux.gidMappings (coracle oci spec writes such a file)")
}
