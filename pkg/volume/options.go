// SPDX-License-Identifier: Apache-2.0

package volume

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"coracle/pkg/mount"
	"coracle/pkg/state"
)

// OptionError says that a volume's options cannot be met.
type OptionError struct {
	Message string
	Advice  string // what is possible, or empty
}

func (e *OptionError) Error() string { return e.Message }

// Hint says what is possible, or is empty.
func (e *OptionError) Hint() string { return e.Advice }

// Kind is what a volume is in truth.
type Kind int

const (
	// Own is a directory of the store's.
	Own Kind = iota
	// Bind is a directory of the host's.
	Bind
	// Tmpfs is one of each container's own.
	Tmpfs
)

// Source is what is mounted of a volume.
type Source struct {
	Kind        Kind
	Dir         string // of Own and Bind: absolute
	ReadOnly    bool
	Recursive   bool     // of Bind: with what is mounted below
	Propagation string   // of Bind, as mount(8) has it, or ""
	Options     []string // of Bind those of mount.Attribute, of Tmpfs those of tmpfs(5)
}

// Source reads what is mounted of a volume. The errors are those of [Store.Load].
func (s *Store) Source(name string) (Source, error) {
	v, err := s.Load(name)
	if err != nil {
		return Source{}, err
	}
	return v.source(s.dirs)
}

// source is what the options of a volume make of it. The options are those of
// Docker's driver local, its texts too.
func (v Volume) source(d state.Dirs) (Source, error) {
	own := Source{Kind: Own, Dir: d.Volume(v.Name).Data()}
	for _, name := range slices.Sorted(maps.Keys(v.Options)) {
		if !slices.Contains([]string{"type", "device", "o", "size"}, name) {
			return own, &OptionError{Message: fmt.Sprintf("invalid option: %q", name)}
		}
	}
	kind, device, words := v.Options["type"], v.Options["device"], v.Options["o"]
	switch {
	case v.Options["size"] != "":
		return own, &OptionError{"quota size requested but no quota support", "a volume of a limited size is a tmpfs: --opt type=tmpfs --opt device=tmpfs --opt o=size=100m"}
	case kind == "" && device == "" && words == "":
		return own, nil
	case kind == "":
		return own, &OptionError{Message: `missing required option: "type"`}
	case device == "":
		return own, &OptionError{Message: `missing required option: "device"`}
	}
	list := strings.Split(words, ",")
	switch {
	case slices.Contains(list, "bind"), slices.Contains(list, "rbind"), kind == "bind":
		return bindSource(device, list)
	case kind == "tmpfs":
		options, readOnly, err := mount.TmpfsOptions(words)
		return Source{Kind: Tmpfs, ReadOnly: readOnly, Options: options}, err
	}
	where := fmt.Sprintf("mount %s:%s", device, own.Dir)
	if words != "" {
		where += ", data: " + words
	}
	return own, &OptionError{"failed to mount local volume: " + where + ": operation not permitted",
		"mounting a file system of type " + kind + " takes root of the host; have it mounted there, and use --opt type=none --opt o=bind --opt device=DIRECTORY"}
}

func bindSource(device string, words []string) (Source, error) {
	src := Source{Kind: Bind, Dir: device}
	if !filepath.IsAbs(device) {
		return src, &OptionError{Message: fmt.Sprintf("failed to mount local volume: mount %s: the device is not an absolute path", device)}
	}
	for _, o := range words {
		_, attribute := mount.Attribute(o)
		_, propagation := mount.Propagation(o)
		switch {
		case o == "rbind":
			src.Recursive = true
		case o == "", o == "bind":
		case o == "ro":
			src.ReadOnly = true
		case propagation:
			src.Propagation = o
		case attribute:
			src.Options = append(src.Options, o)
		default:
			return src, &OptionError{Message: fmt.Sprintf("failed to mount local volume: mount %s, data: %s: invalid argument", device, o)}
		}
	}
	return src, nil
}
