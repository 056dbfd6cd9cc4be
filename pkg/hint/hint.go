// SPDX-License-Identifier: Apache-2.0

package hint

import (
	"errors"
	"strconv"

	"golang.org/x/sys/unix"
)

// Hinter is an error that knows what can be done about it. An empty hint is
// none.
type Hinter interface{ Hint() string }

// With returns err with a hint; without an error, or without a hint, it returns
// err as it is. The text of the error stays what it is.
func With(err error, text string) error {
	if err == nil || text == "" {
		return err
	}
	return &hinted{err, text}
}

// Of returns the hint of err: that of the first error of its tree, in the order
// of errors.As, which has one. Without, it is the limit of this process that err
// says is reached, if it does, and else "".
func Of(err error) string {
	if text := of(err); text != "" {
		return text
	}
	return limit(err)
}

// limit names the limit of getrlimit(2) behind an error.
func limit(err error) string {
	for _, l := range []struct {
		errno    error
		resource int
		what     string
		unit     uint64
	}{{unix.EMFILE, unix.RLIMIT_NOFILE, "too few open files: raise ulimit -n", 1}, {unix.EFBIG, unix.RLIMIT_FSIZE, "too small files: raise ulimit -f", 1 << 10}} {
		var r unix.Rlimit
		if errors.Is(err, l.errno) && unix.Getrlimit(l.resource, &r) == nil && r.Cur != unix.RLIM_INFINITY {
			return Limits.After(l.what + " (now " + strconv.FormatUint(r.Cur/l.unit, 10) + ")")
		}
	}
	return ""
}

func of(err error) string {
	for err != nil {
		var h Hinter
		if !errors.As(err, &h) {
			return ""
		}
		if text := h.Hint(); text != "" {
			return text
		}
		inside, ok := h.(interface{ Unwrap() error })
		if !ok {
			return ""
		}
		err = inside.Unwrap()
	}
	return ""
}

type hinted struct {
	err  error
	hint string
}

func (h *hinted) Error() string { return h.err.Error() }
func (h *hinted) Unwrap() error { return h.err }
func (h *hinted) Hint() string  { return h.hint }
