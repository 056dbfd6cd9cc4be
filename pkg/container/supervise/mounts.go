// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"context"
	"os"
	"path/filepath"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"coracle/pkg/container"
	"coracle/pkg/state"
	"coracle/pkg/volume"
)

// mounts makes what the container has mounted ready for each start.
type mounts struct {
	volumes *volume.Store
	c       *container.Container
	run     string // the run-time directory
	filled  bool   // new volumes have their content
}

// prepared are the mounts of a start: those of the spec, and what they show.
type prepared struct {
	list  []specs.Mount
	trees map[string]*os.File // by destination
}

func (p *prepared) close() {
	for _, f := range p.trees {
		f.Close()
	}
}

// prepare turns the record's mounts into those of the spec, and before the first
// start fills new volumes from the image, which is mounted at rootfs.
func (s *mounts) prepare(rootfs string) (*prepared, error) {
	p := &prepared{trees: map[string]*os.File{}}
	if s.c.State.StartedAt.IsZero() && !s.filled {
		if err := s.c.FillFrom(context.Background(), s.volumes, rootfs); err != nil {
			return nil, err
		}
		s.filled = true
	}
	for _, asked := range s.c.Mounts {
		m, err := asked.Resolve(s.volumes)
		if err == nil {
			err = s.add(p, m)
		}
		if err != nil {
			p.close()
			return nil, err
		}
	}
	p.list = append(p.list, deviceMounts(s.c.Safety.Devices)...)
	return p, nil
}

func (s *mounts) add(p *prepared, m container.Mount) error {
	sm := specs.Mount{Destination: m.Target, Type: "bind", Source: m.Source}
	if m.Type == container.MountTmpfs {
		sm.Type, sm.Source, sm.Options = "tmpfs", "tmpfs", tmpfsOptions(m.TmpfsOptions)
		if m.ReadOnly {
			sm.Options = append(sm.Options, "ro")
		}
		p.list = append(p.list, sm)
		return nil
	}
	if m.API {
		m.Source, m.CreateSource = filepath.Join(s.run, state.APISocket), false
	}
	tree, err := s.c.OpenTree(m)
	if err != nil {
		return err
	}
	sm.Options = m.BindOptions()
	p.trees[m.Target] = tree
	p.list = append(p.list, sm)
	return nil
}

// tmpfsOptions puts the options asked for over Docker's: exec takes noexec
// away.
func tmpfsOptions(asked []string) []string {
	all := []string{"nosuid", "nodev", "noexec"}
	for _, o := range asked {
		all = slices.DeleteFunc(all, func(have string) bool { return have == "no"+o })
		if o != "atime" && o != "diratime" && o != "norelatime" && o != "nostrictatime" && o != "async" {
			all = append(all, o)
		}
	}
	return all
}

// deviceMounts bind nodes of the host. No node that is bound is made: the
// file system of /dev allows what its own owner may do.
func deviceMounts(devices []container.Device) []specs.Mount {
	var list []specs.Mount
	for _, d := range devices {
		list = append(list, specs.Mount{Destination: d.Target, Type: "bind", Source: d.Source, Options: []string{"bind", "rprivate"}})
	}
	return list
}
