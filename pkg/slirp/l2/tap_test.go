// SPDX-License-Identifier: Apache-2.0

package l2

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestNeitherVethNorTap(t *testing.T) {
	err := error(&noVethError{veth: unix.EOPNOTSUPP, tap: &fs.PathError{Op: "open", Path: filepath.Join("/dev", "net", "tun"), Err: unix.EACCES}})
	var hint interface{ Hint() string }
	if !strings.Contains(err.Error(), "veth") || !strings.Contains(err.Error(), "open /dev/net/tun: permission denied") || !errors.As(err, &hint) || hint.Hint() == "" {
		t.Errorf("%v", err)
	}
}
