// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"coracle/pkg/container"
)

// setMounts takes what is to be mounted. Volumes are made by makeVolumes, once
// nothing else can be wrong with the command line.
func setMounts(e *env, c *cli.Context, r *container.Record, declared []string) error {
	asked, anonymous, err := askedMounts(c)
	if err != nil {
		return err
	}
	r.VolumesFrom, r.IDFile = c.StringSlice("volumes-from"), c.String("cidfile")
	from, err := volumesFrom(e, r.VolumesFrom)
	if err != nil {
		return err
	}
	if r.Mounts, err = container.MergeMounts(asked, from, append(anonymous, declared...)); err != nil {
		return err
	}
	for i := range r.Mounts {
		if m := &r.Mounts[i]; m.Type == container.MountImage {
			if err := setImage(e, m); err != nil {
				return err
			}
		}
	}
	return nil
}

// askedMounts reads the flags. As with Docker a -v without a source counts like
// a VOLUME of the image, and one that is given twice counts once.
func askedMounts(c *cli.Context) (asked []container.Mount, anonymous []string, err error) {
	for _, kind := range []struct {
		flag  string
		parse func(string) (container.Mount, error)
	}{{"volume", container.ParseVolume}, {"mount", container.ParseMount}, {"tmpfs", container.ParseTmpfs}} {
		given := c.StringSlice(kind.flag)
		for i, v := range given {
			if kind.flag != "mount" && slices.Contains(given[:i], v) {
				continue
			}
			m, err := kind.parse(v)
			if err != nil && kind.flag == "mount" { // which Docker's client reads by itself
				err = &cliError{err.Error()}
			}
			if err != nil {
				return nil, nil, err
			}
			if err := m.CheckSource(); err != nil {
				return nil, nil, err
			}
			if kind.flag == "volume" && m.Type == container.MountVolume && m.Name == "" {
				anonymous = append(anonymous, m.Target)
				continue
			}
			asked = append(asked, m)
		}
	}
	return asked, anonymous, nil
}

// makeVolumes makes the volumes of a record that are not there yet, and
// returns how to take them back.
//
// Preconditions: the volumes are held.
func makeVolumes(cs *container.Store, r *container.Record) (undo func(), err error) {
	var made []string
	undo = func() {
		for _, name := range made {
			_ = cs.RemoveVolume(name)
		}
	}
	for i := range r.Mounts {
		m := &r.Mounts[i]
		if m.Type != container.MountVolume {
			continue
		}
		v, isNew, err := cs.EnsureVolume(m.Name, m.Labels, m.Options)
		if err != nil {
			return undo, err
		}
		if isNew {
			made = append(made, v.Name)
		}
		m.Name, m.Labels, m.Options = v.Name, nil, nil
	}
	return undo, nil
}

// volumesFrom takes the volumes and binds of other containers.
func volumesFrom(e *env, args []string) ([]container.Mount, error) {
	var all []container.Mount
	for _, a := range args {
		name, mode, _ := strings.Cut(a, ":")
		cs, err := e.containers()
		if err != nil {
			return nil, err
		}
		if name == "" {
			return nil, fmt.Errorf("invalid volumes-from specification: '%s'", a)
		}
		readOnly, err := container.ParseFromMode(mode)
		if err != nil {
			return nil, err
		}
		other, err := cs.Lookup(name)
		if err != nil {
			return nil, err
		}
		for _, m := range other.Mounts {
			if m.Type == container.MountTmpfs {
				continue
			}
			m.ReadOnly, m.Inherited, m.NoCopy = m.ReadOnly || readOnly, true, true
			all = append(all, m)
		}
	}
	return all, nil
}

// setImage finds the image that is mounted as it is.
func setImage(e *env, m *container.Mount) error {
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
