// SPDX-License-Identifier: Apache-2.0

package ids

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"coracle/pkg/inroot"
)

// AddAccount gives a kept user a line in /etc/passwd and one in /etc/group of
// rootfs, where nobody has that id. Where there is no /etc, or what is there is no
// file, there is none.
func AddAccount(rootfs string, k Keep, name, home string) error {
	uid, gid := strconv.FormatUint(uint64(k.UID), 10), strconv.FormatUint(uint64(k.GID), 10)
	for _, f := range []struct {
		path, id, line string
		fields         int
	}{
		{"/etc/passwd", uid, name + ":*:" + uid + ":" + gid + ":" + name + ":" + home + ":/bin/sh\n", 7},
		{"/etc/group", gid, name + ":x:" + gid + ":\n", 4},
	} {
		list, err := readAccounts(rootfs, f.path, f.fields, 3)
		if err != nil || slices.ContainsFunc(list, func(e []string) bool { return e[2] == f.id }) {
			continue // who resolves the user says what is wrong
		}
		if err := appendLine(rootfs, f.path, f.line); err != nil {
			return fmt.Errorf("add user %s to the container's %s: %w", name, f.path, err)
		}
	}
	return nil
}

func appendLine(rootfs, path, line string) error {
	root, err := inroot.OpenRoot(rootfs)
	if err != nil {
		return err
	}
	defer root.Close()
	f, err := inroot.Root(root).Open(path, unix.O_RDWR|unix.O_CREAT|unix.O_NONBLOCK|unix.O_NOCTTY, 0o644)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() {
		return err
	}
	if st.Size() == 0 {
		_ = f.Chown(0, 0) // it may be ours by now, and without a root it stays
	} else if last := make([]byte, 1); true {
		if _, err := f.ReadAt(last, st.Size()-1); err == nil && last[0] != '\n' {
			line = "\n" + line
		}
	}
	_, err = f.WriteAt([]byte(line), st.Size())
	return err
}
