// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// epochArg is the build argument that says when a reproducible image is from,
// in seconds since 1970; see reproducible-builds.org.
const epochArg = "SOURCE_DATE_EPOCH"

// maxEpoch is the last second of the year 9999: JSON has no later times.
const maxEpoch = 253402300799

// sourceDateEpoch reads SOURCE_DATE_EPOCH, as BuildKit from a build argument or
// the default of an ARG before the first FROM. Empty means none.
func (b *builder) sourceDateEpoch() (*time.Time, error) {
	v, ok := b.o.BuildArgs[epochArg]
	if ok {
		b.use(epochArg)
	} else {
		v = b.metaVar[epochArg]
	}
	if v == "" {
		return nil, nil
	}
	sec, err := strconv.ParseInt(v, 10, 64)
	if err != nil || sec < 0 || sec > maxEpoch {
		return nil, fmt.Errorf("invalid %s: %s", epochArg, v)
	}
	t := time.Unix(sec, 0).UTC()
	return &t, nil
}

// epochKey is the part of it in the keys of steps that it changes.
func (b *builder) epochKey() string {
	if b.epoch == nil {
		return ""
	}
	return strconv.FormatInt(b.epoch.Unix(), 10)
}

func (b *builder) rewritesTimes() bool { return b.o.RewriteTimes && b.epoch != nil }

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
