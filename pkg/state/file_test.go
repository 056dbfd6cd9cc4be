// SPDX-License-Identifier: Apache-2.0

package state_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"coracle/pkg/state"
)

// content is a file of one letter, long enough to be written in parts.
func content(letter byte) []byte { return bytes.Repeat([]byte{letter}, 200<<10) }

func whole(data []byte) bool {
	return len(data) == 200<<10 && len(bytes.Trim(data, string(data[:1]))) == 0
}

func TestM2_FileIsNeverTorn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := state.WriteFile(path, content('z'), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		cmd := another(t, "write", path)
		seen := map[byte]bool{}
		for i := 0; i < 5000 && len(seen) < 8; i++ {
			data, err := os.ReadFile(path)
			if err != nil || !whole(data) {
				t.Fatalf("a part was read: %d bytes, %v", len(data), err)
			}
			seen[data[0]] = true
		}
		if len(seen) < 2 {
			t.Error("the file did not change")
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		if data, err := os.ReadFile(path); err != nil || !whole(data) {
			t.Fatalf("after kill -9: %d bytes, %v", len(data), err)
		}
	}
	// What the killed ones were writing is in nobody's way for long.
	if err := state.WriteFile(path, content('z'), 0o600); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func TestWriteFileTrustsNoLeftover(t *testing.T) {
	for name, leave := range map[string]func(other, left string) error{
		"link":      os.Symlink,
		"hard link": os.Link,
		"directory": func(_, left string) error { return os.Mkdir(left, 0o700) },
		"pipe":      func(_, left string) error { return syscall.Mkfifo(left, 0o600) },
	} {
		dir := t.TempDir()
		path, other := filepath.Join(dir, "file"), filepath.Join(dir, "other")
		if err := os.WriteFile(other, []byte("untouched"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := leave(other, filepath.Join(dir, ".new-file-")); err != nil {
			t.Fatal(err)
		}
		if err := state.WriteFile(path, []byte("new"), 0o600); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if data, _ := os.ReadFile(other); string(data) != "untouched" {
			t.Errorf("%s: written through", name)
		}
		if st, err := os.Lstat(path); err != nil || st.Mode() != 0o600 || st.Size() != 3 {
			t.Errorf("%s: %v, %v", name, st, err)
		}
	}
	// Nor does it wait for one that another is writing.
	path := filepath.Join(t.TempDir(), "file")
	busy, err := state.TryAcquire(state.LockFile{Path: filepath.Join(filepath.Dir(path), ".new-file-")}, state.Exclusive)
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Release()
	if err := state.WriteFile(path, []byte("new"), 0o600); err != nil {
		t.Error(err)
	}
}

func TestWriteFileReplaces(t *testing.T) {
	for name, write := range map[string]func(string, []byte, fs.FileMode) error{"durable": state.WriteFile, "volatile": state.WriteVolatile} {
		dir := t.TempDir()
		path, other := filepath.Join(dir, "file"), filepath.Join(dir, "other")
		if err := os.WriteFile(other, []byte("untouched"), 0o644); err != nil {
			t.Fatal(err)
		}
		// What is at the path is replaced, not written through.
		if err := os.Symlink(other, path); err != nil {
			t.Fatal(err)
		}
		if err := write(path, []byte("new"), 0o640); err != nil {
			t.Fatal(err)
		}
		st, err := os.Lstat(path)
		if err != nil || st.Mode() != 0o640 {
			t.Errorf("%s: mode %v, %v", name, st.Mode(), err)
		}
		if data, _ := os.ReadFile(other); string(data) != "untouched" {
			t.Errorf("%s: written through a link", name)
		}
	}
}

func TestWriteFileThatFailsLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "taken", "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	err := state.WriteFile(filepath.Join(dir, "taken"), []byte("x"), 0o600)
	if err == nil {
		t.Error("a directory was replaced by a file")
	}
	entries, _ := os.ReadDir(dir)
	if len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
	missing := filepath.Join(dir, "none", "file")
	if err := state.WriteFile(missing, nil, 0o600); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), missing+":") {
		t.Errorf("in a missing directory: %v", err)
	}
}

func TestJSON(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	want := state.Process{Pid: 3, StartTime: 1 << 63, BootID: "b"}
	if err := state.WriteJSON(path, want, 0o600); err != nil {
		t.Fatal(err)
	}
	var got state.Process
	if err := state.ReadJSON(path, &got); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"", "{", "[]", "\x00", `{"pid":"x"}`} {
		if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := state.ReadJSON(path, &got); err == nil || !strings.HasPrefix(err.Error(), "decode "+path) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
