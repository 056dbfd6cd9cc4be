// SPDX-License-Identifier: Apache-2.0

package files

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	chmod "github.com/tonistiigi/dchapes-mode"
	"golang.org/x/sys/unix"
)

// Mode is what --chmod makes of permission bits. A nil one changes nothing.
type Mode struct {
	octal  bool
	bits   uint32
	change chmod.Set
}

// ParseMode reads --chmod: octal, or symbolic as in chmod(1). The empty text
// is no mode.
func ParseMode(text string) (*Mode, error) {
	if text == "" {
		return nil, nil
	}
	n, err := strconv.ParseUint(text, 8, 32)
	if err == nil && n <= 0o7777 {
		return &Mode{octal: true, bits: uint32(n)}, nil
	}
	var number *strconv.NumError
	set, serr := chmod.Parse(text)
	if err == nil || errors.As(serr, &number) {
		return nil, fmt.Errorf("invalid chmod parameter: '%v'. it should be octal string and between 0 and 07777", text)
	}
	if serr != nil {
		return nil, fmt.Errorf("invalid chmod parameter: '%v': %w", text, serr)
	}
	return &Mode{change: set}, nil
}

// apply changes the permission bits of a file's mode, as stat(2) has it.
func (m *Mode) apply(mode uint32) uint32 {
	if m == nil {
		return mode
	}
	if m.octal {
		return mode&unix.S_IFMT | m.bits
	}
	old := fs.FileMode(mode & 0o777)
	for bit, flag := range specialBits {
		if mode&bit != 0 {
			old |= flag
		}
	}
	if mode&unix.S_IFMT == unix.S_IFDIR {
		old |= fs.ModeDir // X means something else there
	}
	is := m.change.Apply(old)
	changed := mode&unix.S_IFMT | uint32(is.Perm())
	for bit, flag := range specialBits {
		if is&flag != 0 {
			changed |= bit
		}
	}
	return changed
}

var specialBits = map[uint32]fs.FileMode{unix.S_ISUID: fs.ModeSetuid, unix.S_ISGID: fs.ModeSetgid, unix.S_ISVTX: fs.ModeSticky}

// parents is the mode of directories that are made on the way.
func (m *Mode) parents() uint32 {
	if m != nil && m.octal {
		return m.bits & 0o777
	}
	return 0o755
}
