// SPDX-License-Identifier: Apache-2.0

package run

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"coracle/pkg/inroot"
	"coracle/pkg/oci/spec"
)

// stubs are the files and directories that a box's mounts are put on, and that
// the layer must not keep.
type stubs struct {
	root  *os.Root
	paths []string // in root, the deepest of each mount first
}

func newStubs(rootfs string, mounts []specs.Mount) (*stubs, error) {
	root, err := os.OpenRoot(rootfs)
	if err != nil {
		return nil, err
	}
	top, err := inroot.OpenRoot(rootfs)
	if err != nil {
		root.Close()
		return nil, err
	}
	defer top.Close()
	s := &stubs{root: root}
	paths := append(spec.MountPoints(), "/etc")
	for _, m := range mounts {
		for p := filepath.Clean(m.Destination); p != "/" && p != "."; p = filepath.Dir(p) {
			paths = append(paths, p)
		}
	}
	for _, p := range paths {
		real, err := inroot.Root(top).Follow(p)
		if err != nil {
			continue
		}
		rel := strings.TrimPrefix(real, "/")
		if _, err := root.Lstat(rel); errors.Is(err, fs.ErrNotExist) {
			s.paths = append(s.paths, rel)
		}
	}
	return s, nil
}

func (s *stubs) close() { s.root.Close() }

// remove takes away what is still empty. The command may have put links in the
// place of directories: nothing outside of the root is removed for that.
func (s *stubs) remove() error {
	for _, p := range s.paths {
		info, err := s.root.Lstat(p)
		if err != nil || !info.IsDir() && (!info.Mode().IsRegular() || info.Size() > 0) {
			continue
		}
		if err := s.root.Remove(p); err != nil && !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("remove mount point: %w", err)
		}
	}
	return nil
}
