// SPDX-License-Identifier: Apache-2.0

package systemd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// mark is the first line of every unit that is written here. Files without it are
// somebody's own.
const mark = "# Written by coracle, which writes it again. Changes belong into drop-ins: systemctl --user edit.\n"

// Dir is a directory of units.
type Dir string

// UserDir is where a user's own units are.
func UserDir() (Dir, error) {
	config, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("find own units: %w", err)
	}
	return Dir(filepath.Join(config, "systemd", "user")), nil
}

// ForeignError says that a unit of the name is there that coracle has not written.
type ForeignError struct{ Path string }

func (e *ForeignError) Error() string { return e.Path + " was not written by coracle" }

// Hint says what can be done.
func (e *ForeignError) Hint() string { return "move it away, or give the unit another name" }

// Marked is the text of a unit as Install writes it.
func Marked(u *Unit) string { return mark + u.String() }

// Install writes a unit, and enables it as its section Install says: what
// `systemctl enable` does. A file of the name that is not ours is a *ForeignError.
func (d Dir) Install(name string, u *Unit) error {
	if err := d.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	err := os.MkdirAll(string(d), 0o755)
	if err == nil {
		err = d.write(name, Marked(u))
	}
	for _, link := range links(name, u) {
		if err == nil {
			err = d.enable(link, name)
		}
	}
	if err != nil {
		return fmt.Errorf("write unit: %w", err)
	}
	return nil
}

// write makes a file whole or not at all.
func (d Dir) write(name, text string) error {
	tmp, err := os.CreateTemp(string(d), ".coracle-*")
	if err != nil {
		return err
	}
	_, err = tmp.WriteString(text)
	if err = errors.Join(err, tmp.Chmod(0o644), tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), filepath.Join(string(d), name))
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
	}
	return err
}

func (d Dir) enable(link, name string) error {
	path := filepath.Join(string(d), link)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	to := name
	if strings.Contains(link, "/") {
		to = "../" + name
	}
	err := os.Symlink(to, path)
	if old, lerr := os.Readlink(path); errors.Is(err, fs.ErrExist) && lerr == nil && old == to {
		return nil
	}
	return err
}

// links are the names that enable a unit. A template is enabled by its default
// instance, or not.
func links(name string, u *Unit) []string {
	s := u.Section("Install")
	as := name
	if prefix, suffix, template := strings.Cut(name, "@."); template {
		instance := s.Last("DefaultInstance")
		if instance == "" {
			return nil
		}
		as = prefix + "@" + instance + "." + suffix
	}
	var list []string
	for _, k := range []struct{ key, dir string }{{"WantedBy", ".wants"}, {"RequiredBy", ".requires"}, {"UpheldBy", ".upholds"}, {"Alias", ""}} {
		for _, w := range strings.Fields(strings.Join(s.All(k.key), " ")) {
			switch {
			case strings.Contains(w, "/"): // leads out of the directory
			case k.dir == "":
				list = append(list, w)
			default:
				list = append(list, w+k.dir+"/"+as)
			}
		}
	}
	return list
}

// ours reports whether a unit is there that was written here.
func (d Dir) ours(name string) (bool, error) {
	data, err := os.ReadFile(filepath.Join(string(d), name))
	return strings.HasPrefix(string(data), mark), err
}

// Units are the names of the units that were written here.
func (d Dir) Units() ([]string, error) {
	entries, err := os.ReadDir(string(d))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, e := range entries {
		if ours, _ := d.ours(e.Name()); ours && e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// Read is a unit that is there.
func (d Dir) Read(name string) (*Unit, error) {
	data, err := os.ReadFile(filepath.Join(string(d), name))
	if err != nil {
		return nil, fmt.Errorf("read unit: %w", err)
	}
	return ParseUnit(string(data))
}

// Remove takes away a unit that was written here, with the links that enable it.
// When there is none the error is fs.ErrNotExist.
func (d Dir) Remove(name string) error {
	path := filepath.Join(string(d), name)
	ours, err := d.ours(name)
	if err != nil {
		return fmt.Errorf("remove unit: %w", err)
	}
	if !ours {
		return &ForeignError{path}
	}
	if u, err := d.Read(name); err == nil {
		for _, link := range links(name, u) {
			at := filepath.Join(string(d), link)
			if to, err := os.Readlink(at); err != nil || filepath.Base(to) != name {
				continue
			}
			_ = os.Remove(at)
			if dir := filepath.Dir(at); dir != string(d) {
				_ = os.Remove(dir) // when nothing else is wanted
			}
		}
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("remove unit: %w", err)
	}
	return nil
}

// Enabled reports whether something wants a unit, by the links in the directory.
func (d Dir) Enabled(name string) bool {
	for _, suffix := range []string{".wants", ".requires", ".upholds"} {
		if found, _ := filepath.Glob(filepath.Join(string(d), "*"+suffix, name)); len(found) > 0 {
			return true
		}
	}
	return false
}
