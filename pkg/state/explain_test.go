// SPDX-License-Identifier: Apache-2.0

package state

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"coracle/pkg/hint"
)

func TestExplain(t *testing.T) {
	at := func(errno error) error {
		return fmt.Errorf("do it: %w", &fs.PathError{Op: "open", Path: "/x", Err: errno})
	}
	for errno, want := range map[error]string{
		unix.EROFS: "is read-only; use a directory on a local disk", unix.ENOSPC: "free some space", unix.EDQUOT: "free some space",
		unix.ENOLCK: "has no locks, as NFS", unix.ESTALE: "has no locks", unix.EOPNOTSUPP: "no extended attributes of users, as NFS", unix.ENOENT: "", unix.EACCES: "",
	} {
		err := Explain(at(errno))
		if got := hint.Of(err); !strings.Contains(got, want) || (got == "") != (want == "") {
			t.Errorf("%v: %q", errno, got)
		}
		if err.Error() != at(errno).Error() {
			t.Errorf("other words: %v", err)
		}
	}
	if Explain(nil) != nil || noLocks(nil) != nil {
		t.Error("an error out of nothing")
	}
	if got := hint.Of(Explain(hint.With(unix.EROFS, "rather that"))); got != "rather that" {
		t.Error(got)
	}
}

// flock(2) is refused in several words, and each means the same.
func TestNoLocks(t *testing.T) {
	for _, errno := range []error{unix.ENOLCK, unix.EOPNOTSUPP, unix.ENOSYS, unix.EINVAL} {
		if got := hint.Of(noLocks(errno)); !strings.Contains(got, "has no locks") {
			t.Errorf("%v: %q", errno, got)
		}
	}
	if got := hint.Of(noLocks(unix.EIO)); got != "" {
		t.Error(got)
	}
}

func TestOfProcess(t *testing.T) {
	for err, want := range map[error]bool{unix.EMFILE: true, unix.ENFILE: true, unix.ENOMEM: true, unix.EIO: false, unix.EACCES: false, errors.New("x"): false} {
		if got := OfProcess(fmt.Errorf("read: %w", err)); got != want {
			t.Errorf("%v: %v", err, got)
		}
	}
}
