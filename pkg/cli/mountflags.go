// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"coracle/pkg/container"
)

// setMounts takes what is to be mounted, and makes the volumes.
func (e *env) setMounts(c *cli.Context, r *container.Record, declared []string) error {
	var asked []container.Mount
	for _, kind := range []struct {
		flag  string
		parse func(string) (container.Mount, error)
	}{{"volume", container.ParseVolume}, {"mount", container.ParseMount}, {"tmpfs", container.ParseTmpfs}} {
		for _, v := range c.StringSlice(kind.flag) {
			m, err := kind.parse(v)
			if err != nil {
				return &cliError{err.Error()}
			}
			if err := m.CheckSource(); err != nil {
				return err
			}
			asked = append(asked, m)
		}
	}
	from, err := e.volumesFrom(c.StringSlice("volumes-from"), asked)
	if err != nil {
		return err
	}
	if r.Mounts, err = container.MergeMounts(append(asked, from...), declared); err != nil {
		return err
	}
	cs, err := e.containers()
	if err != nil {
		return err
	}
	for i := range r.Mounts {
		m := &r.Mounts[i]
		switch m.Type {
		case container.MountVolume:
			v, err := cs.EnsureVolume(c.Context, m.Name, m.Labels)
			if err != nil {
				return err
			}
			m.Name, m.Labels = v.Name, nil
		case container.MountImage:
			if err := e.setImage(m); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *env) volumesFrom(args []string, asked []container.Mount) ([]container.Mount, error) {
	have := map[string]bool{}
	for _, m := range asked {
		have[m.Target] = true
	}
	var all []container.Mount
	for _, a := range args {
		name, mode, _ := strings.Cut(a, ":")
		cs, err := e.containers()
		if err != nil {
			return nil, err
		}
		if mode != "" && mode != "ro" && mode != "rw" && mode != "z" && mode != "Z" {
			return nil, fmt.Errorf("invalid mode: %s", mode)
		}
		other, err := cs.Lookup(name)
		if err != nil {
			return nil, err
		}
		for _, m := range other.Mounts {
			if m.Type == container.MountTmpfs || have[m.Target] {
				continue
			}
			have[m.Target] = true
			m.ReadOnly = m.ReadOnly || mode == "ro"
			all = append(all, m)
		}
	}
	return all, nil
}

// setImage finds the image that is mounted as it is.
func (e *env) setImage(m *container.Mount) error {
	img, _, err := e.image(m.Source)
	if err != nil {
		return err
	}
	d, err := e.details(img.ID)
	if err != nil {
		return err
	}
	m.Name, m.LayerDirs = img.ID, d.LayerDirs
	return nil
}

// usesImage reports whether a container was made of an image, or mounts it.
func usesImage(c *container.Container, id string) bool {
	return c.ImageID == id || slices.ContainsFunc(c.Mounts, func(m container.Mount) bool { return m.Type == container.MountImage && m.Name == id })
}
