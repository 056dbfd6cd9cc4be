// SPDX-License-Identifier: Apache-2.0

package inroot

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// TestSize counts every file once, and what a link leads to not at all.
func TestSize(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	at := func(name ...string) string { return filepath.Join(append([]string{dir}, name...)...) }
	err := errors.Join(
		os.WriteFile(filepath.Join(outside, "big"), make([]byte, 1<<20), 0o600),
		os.MkdirAll(at("a", "b"), 0o755), os.WriteFile(at("a", "b", "f"), make([]byte, 1000), 0o600),
		os.Link(at("a", "b", "f"), at("again")), os.WriteFile(at("g"), make([]byte, 234), 0o600),
		os.Symlink(outside, at("out")), os.Symlink("g", at("a", "link")))
	if err != nil {
		t.Fatal(err)
	}
	links := int64(len(outside) + len("g")) // a link's size is that of its text
	if n, err := Size(dir); n != 1234+links || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	for _, name := range []string{"nosuch", "g", "out"} {
		if n, err := Size(at(name)); n != 0 || err != nil {
			t.Errorf("%s: %d, %v", name, n, err)
		}
	}
	for i := range 2000 { // more than are read at once
		if err := os.WriteFile(at("a", "b", strconv.Itoa(i)), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := Size(dir); n != 1234+links+2000 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

// TestSizeOfClosed names the directory that cannot be read.
func TestSizeOfClosed(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root reads everything")
	}
	dir := t.TempDir()
	shut := filepath.Join(dir, "shut")
	if err := os.Mkdir(shut, 0); err != nil {
		t.Fatal(err)
	}
	_, err := Size(dir)
	var at *fs.PathError
	if !errors.Is(err, fs.ErrPermission) || !errors.As(err, &at) || at.Path != shut {
		t.Error(err)
	}
}
