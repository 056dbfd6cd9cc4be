// SPDX-License-Identifier: Apache-2.0

package state

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"coracle/pkg/ids"
)

// Home is the caller's home directory: $HOME, or what /etc/passwd says where
// that is not set. A $HOME that sudo has kept is another user's: root, whose
// files nobody there could remove again, goes home instead.
func Home() (string, error) {
	if home := os.Getenv("HOME"); filepath.IsAbs(home) && home != "/" && !foreign(home) {
		return home, nil
	}
	u, err := user.LookupId(strconv.Itoa(ids.HostUID()))
	if err != nil || !filepath.IsAbs(u.HomeDir) || u.HomeDir == "/" {
		return "", fmt.Errorf("%w, and uid %d has no home in /etc/passwd", errNoHome, ids.HostUID())
	}
	return u.HomeDir, nil
}

var errNoHome = errors.New("HOME is no directory of yours")

// SettleHome makes $HOME say what Home does, for libraries that read it.
func SettleHome() {
	if home, err := Home(); err == nil && home != os.Getenv("HOME") {
		_ = os.Setenv("HOME", home) // only a name with "=" or NUL is refused
	}
}

// foreign reports whether the caller is root and dir, or what it would be made
// in, somebody else's.
func foreign(dir string) bool {
	if os.Geteuid() != 0 || ids.HostUID() != 0 {
		return false
	}
	for {
		var st syscall.Stat_t
		err := syscall.Stat(dir, &st)
		if err == nil {
			return st.Uid != 0
		}
		if dir == "/" || dir == "." {
			return false
		}
		dir = filepath.Dir(dir)
	}
}
