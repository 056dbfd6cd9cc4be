// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"strconv"
	"time"
)

// epochArg is the build argument that says when a reproducible image is from,
// in seconds since 1970; see reproducible-builds.org.
const epochArg = "SOURCE_DATE_EPOCH"

// maxEpoch is the last second of the year 9999: JSON has no later times.
const maxEpoch = 253402300799

// sourceDateEpoch reads SOURCE_DATE_EPOCH, as BuildKit from a build argument or
// the default of an ARG before the first FROM. Empty means none.
func (s *scope) sourceDateEpoch() (*time.Time, error) {
	v, ok := s.in.BuildArgs[epochArg]
	if ok {
		s.used[epochArg] = true
	} else {
		v = s.meta[epochArg]
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

// EpochKey is the part of a time in the keys of what it changes.
func EpochKey(t *time.Time) string {
	if t == nil {
		return ""
	}
	return strconv.FormatInt(t.Unix(), 10)
}
