// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"context"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Flatten writes the files of a layer and of all below it as one tar stream, which
// has no whiteouts.
//
// Preconditions: the process may mount, or may not and has its layers copied.
func (s *Store) Flatten(ctx context.Context, top LayerID, w io.Writer) error {
	fail := func(err error) error { return fmt.Errorf("read image: %w", err) }
	lowers, err := s.Lowers(top)
	if err != nil {
		return fail(err)
	}
	scratch, err := s.Scratch()
	if err != nil {
		return fail(err)
	}
	dir, err := os.MkdirTemp(scratch, "flat-")
	if err != nil {
		return fail(err)
	}
	defer os.Remove(dir)
	if err := MountRootfs(Rootfs{Lowers: lowers, Target: dir}); err != nil {
		return fail(err)
	}
	defer func() { _ = unix.Unmount(dir, unix.MNT_DETACH) }()
	// The directory may be a link to the files by now, which a walk would not follow.
	_, err = writeLayer(ctx, w, dir+"/.", nil, nil, owners{single: s.single})
	return err
}
