// SPDX-License-Identifier: Apache-2.0

package exec

import (
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// clampTimes gives what is in a layer's directory and is younger than t the
// time t, as BuildKit's rewrite-timestamp.
func clampTimes(dir string, t time.Time) error {
	ts, err := unix.TimeToTimespec(t)
	if err != nil {
		return err
	}
	return filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil || !info.ModTime().After(t) {
			return err
		}
		return os.NewSyscallError("utimensat", unix.UtimesNanoAt(unix.AT_FDCWD, name, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW))
	})
}
