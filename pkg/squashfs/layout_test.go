// SPDX-License-Identifier: Apache-2.0

package squashfs

import (
	"strings"
	"testing"
	"time"
)

// sound is a superblock with nothing wrong.
func sound() super {
	s := super{Inodes: 1, BlockSize: 131072, BlockLog: 17, Compression: 1, IDs: 1, Major: 4, Bytes: 500, InodeTable: 96, DirTable: 200}
	copy(s.Magic[:], Magic)
	return s
}

func TestSuperblocks(t *testing.T) {
	if got, err := parseSuper(encode(sound()), 500); err != nil || got != sound() {
		t.Errorf("%+v, %v", got, err)
	}
	if n := len(encode(sound())); n != superSize {
		t.Errorf("it has %d bytes", n)
	}
	for _, c := range []struct {
		want  string
		spoil func(*super)
	}{
		{"not a squashfs", func(s *super) { s.Magic[0] = 's' }},
		{"version 3.1", func(s *super) { s.Major, s.Minor = 3, 1 }},
		{"version 4.1", func(s *super) { s.Minor = 1 }},
		{"blocks of 0 bytes", func(s *super) { s.BlockSize = 0 }},
		{"blocks of 2048 bytes", func(s *super) { s.BlockSize, s.BlockLog = 2048, 11 }},
		{"blocks of 2097152 bytes", func(s *super) { s.BlockSize, s.BlockLog = 2<<20, 21 }},
		{"blocks of 131073 bytes", func(s *super) { s.BlockSize++ }},
		{"blocks of 131072 bytes", func(s *super) { s.BlockLog = 16 }},
		{"blocks of 131072 bytes", func(s *super) { s.BlockLog = 65535 }},
		{"the rest is cut off", func(s *super) { s.Bytes = 501 }},
		{"the rest is cut off", func(s *super) { s.Bytes = 1 << 63 }},
		{"not in their order", func(s *super) { s.InodeTable = 200 }},
		{"not in their order", func(s *super) { s.DirTable = 501 }},
	} {
		s := sound()
		c.spoil(&s)
		if _, err := parseSuper(encode(s), 500); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
	for n := range superSize {
		if _, err := parseSuper(encode(sound())[:n], 500); err == nil {
			t.Errorf("%d bytes are one", n)
		}
	}
}

func TestDevices(t *testing.T) {
	for _, d := range [][2]int64{{0, 0}, {1, 3}, {8, 255}, {8, 256}, {259, 70000}, {4095, 1<<20 - 1}} {
		if major, minor := device(encodeDevice(d[0], d[1])); major != d[0] || minor != d[1] {
			t.Errorf("%d:%d comes back as %d:%d", d[0], d[1], major, minor)
		}
	}
	if n := encodeDevice(1, 3); n != 0x103 { // as mknod(1) and ls(1) have always had it
		t.Errorf("/dev/null is %#x", n)
	}
}

func TestNamesOfAttributes(t *testing.T) {
	for name, want := range map[string]string{
		"user.a": "a", "trusted.overlay.opaque": "overlay.opaque", "security.capability": "capability", "user." + strings.Repeat("n", 255): strings.Repeat("n", 255),
		"user." + strings.Repeat("n", 256): "", "user.": "", "system.posix_acl_access": "", "": "", "a": "",
	} {
		prefix, rest, known := splitXattr(name)
		if known != (want != "") || rest != want {
			t.Errorf("%.20q: %d %.20q %t", name, prefix, rest, known)
		}
		if known && prefixes[prefix]+rest != name {
			t.Errorf("%q is %q again", name, prefixes[prefix]+rest)
		}
	}
}

func TestTimes(t *testing.T) {
	for at, want := range map[int64]uint32{-5: 0, 0: 0, 1: 1, 1<<32 - 1: 1<<32 - 1, 1 << 40: 1<<32 - 1} {
		if got := seconds(time.Unix(at, 999)); got != want {
			t.Errorf("%d is %d", at, got)
		}
	}
	if got := seconds(time.Time{}); got != 0 {
		t.Errorf("no time is %d", got)
	}
}
