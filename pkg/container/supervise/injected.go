// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"coracle/pkg/cdi"
	"coracle/pkg/container"
	"coracle/pkg/mount"
	"coracle/pkg/ns"
	"coracle/pkg/oci/spec"
	"coracle/pkg/state"
)

// edits are what specification files of devices make of a start; nil is nothing.
type edits cdi.Edits

// injected reads the specification files as they are now, and puts the nodes and
// mounts of the devices asked for among those of the start.
func injected(f container.Safety, p *prepared) (*edits, error) {
	names := f.Injected()
	if len(names) == 0 {
		return nil, nil
	}
	e, err := cdi.Load(f.SpecDirs).Resolve(names)
	if err == nil {
		err = p.inject(e)
	}
	if err != nil {
		return nil, fmt.Errorf("CDI device injection failed: %w", err)
	}
	return (*edits)(e), nil
}

// apply adds what is not mounted.
func (e *edits) apply(o *spec.Options) {
	if e == nil {
		return
	}
	for _, kv := range e.Env {
		name, _, _ := strings.Cut(kv, "=")
		o.Env = slices.DeleteFunc(o.Env, func(have string) bool { return strings.HasPrefix(have, name+"=") })
		o.Env = append(o.Env, kv)
	}
	for _, g := range e.GIDs {
		if !slices.Contains(o.User.AdditionalGIDs, g) {
			o.User.AdditionalGIDs = append(o.User.AdditionalGIDs, g)
		}
	}
	o.Hooks = e.Hooks
}

// inject opens what edits show of the host. A place that something is mounted at
// already is theirs, as in Docker.
func (p *prepared) inject(e *cdi.Edits) error {
	for _, n := range e.Nodes {
		tree, err := openNode(n)
		if err != nil {
			return err
		}
		p.replace(specs.Mount{Destination: n.Target, Type: "bind", Source: n.Source, Options: []string{"bind", "rprivate"}}, tree)
	}
	for _, m := range e.Mounts {
		var tree *os.File
		if m.Type == "bind" {
			var err error
			if tree, err = mount.ClonePath(m.Source, mount.Recursive(m.Options)); err != nil {
				return fmt.Errorf("mount %s: %w", m.Destination, err)
			}
		}
		p.replace(m, tree)
	}
	// Parents first, so that one mount does not hide another.
	slices.SortStableFunc(p.list, func(a, b specs.Mount) int {
		return strings.Count(a.Destination, "/") - strings.Count(b.Destination, "/")
	})
	return nil
}

// replace puts a mount and what it shows, if that is open, in the place of what is
// at its destination.
func (p *prepared) replace(m specs.Mount, tree *os.File) {
	p.list = slices.DeleteFunc(p.list, func(have specs.Mount) bool { return have.Destination == m.Destination })
	if old := p.trees[m.Destination]; old != nil {
		old.Close()
		delete(p.trees, m.Destination)
	}
	p.list = append(p.list, m)
	if tree != nil {
		p.trees[m.Destination] = tree
	}
}

// openNode opens a device node of the host as a detached mount, once it is known to
// be the device that was described. A link to it is followed.
func openNode(n cdi.Node) (*os.File, error) {
	f, err := os.OpenFile(n.Source, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("failed to stat CDI host device %q: %w", n.Source, cause(err))
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return nil, &os.PathError{Op: "stat", Path: n.Source, Err: err}
	}
	kind := map[uint32]string{unix.S_IFCHR: "c", unix.S_IFBLK: "b", unix.S_IFIFO: "p"}[st.Mode&unix.S_IFMT]
	switch {
	case kind == "":
		return nil, fmt.Errorf("CDI device %q: not a device node", n.Source)
	case n.Type != "" && n.Type != kind:
		return nil, fmt.Errorf("CDI device %q: the host's type is %q, the specification's %q", n.Source, kind, n.Type)
	case (n.Major != 0 || n.Minor != 0) && (n.Major != int64(unix.Major(st.Rdev)) || n.Minor != int64(unix.Minor(st.Rdev))):
		return nil, fmt.Errorf("CDI device %q: the host's is %d:%d, the specification's %d:%d", n.Source, unix.Major(st.Rdev), unix.Minor(st.Rdev), n.Major, n.Minor)
	}
	return mount.Clone(f, false)
}

// cause is the reason in a path's error, whose path is told already.
func cause(err error) error {
	if pe, ok := err.(*fs.PathError); ok {
		return pe.Err
	}
	return err
}

// hooks runs what belongs between the mounts and the new root, outside of the
// container, and returns what hooks inside are told. They find their root in the
// config.json of the bundle that the state names.
func (s *supervisor) hooks(sp *specs.Spec, pid int) ([]byte, error) {
	config, err := json.Marshal(sp)
	if err != nil {
		return nil, err
	}
	if err := state.WriteVolatile(filepath.Join(s.bundle(), "config.json"), config, 0o600); err != nil {
		return nil, err
	}
	if err := s.runHooks("prestart", sp.Hooks.Prestart, specs.StateCreating, pid); err != nil {
		return nil, err
	}
	if err := s.runHooks("createRuntime", sp.Hooks.CreateRuntime, specs.StateCreating, pid); err != nil {
		return nil, err
	}
	return s.told(specs.StateCreating, pid)
}

// begun runs the hooks of a process that runs. One that fails ends it.
func (s *supervisor) begun() error {
	init, sp := s.first.process()
	if sp == nil || sp.Hooks == nil {
		return nil
	}
	return s.runHooks("poststart", sp.Hooks.Poststart, specs.StateRunning, init.Process.Pid)
}

// over runs the hooks of a process that has ended, each of them.
func (s *supervisor) over() {
	_, sp := s.first.process()
	if sp == nil || sp.Hooks == nil {
		return
	}
	for _, h := range sp.Hooks.Poststop {
		if err := s.runHooks("poststop", []specs.Hook{h}, specs.StateStopped, 0); err != nil {
			fmt.Fprintln(os.Stderr, "supervise:", err)
		}
	}
}

func (s *supervisor) runHooks(kind string, list []specs.Hook, status specs.ContainerState, pid int) error {
	if len(list) == 0 {
		return nil
	}
	told, err := s.told(status, pid)
	if err != nil {
		return err
	}
	return ns.RunHooks(kind, list, told)
}

// told is the state of the container for its hooks.
func (s *supervisor) told(status specs.ContainerState, pid int) ([]byte, error) {
	return json.Marshal(specs.State{Version: specs.Version, ID: s.id, Status: status, Pid: pid, Bundle: s.bundle(), Annotations: s.c.Annotations})
}

// bundle is the directory that hooks are told.
func (s *supervisor) bundle() string { return s.store.Dirs().ContainerRun(s.id) }
