// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"coracle/pkg/state"
	"coracle/pkg/wire/socket"
)

func open(t *testing.T) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "state"), func(m string) { t.Log(m) })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestNames(t *testing.T) {
	for name, good := range map[string]bool{
		"a": true, "A_b+c.d-9": true, strings.Repeat("x", 255): true, "..a": true,
		"": false, ".": false, "..": false, "a/b": false, "a b": false, "../a": false, "\u00e9": false, strings.Repeat("x", 256): false,
	} {
		if err := checkID(name); (err == nil) != good {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestStoreKeepsOneContainerOfAName(t *testing.T) {
	s := open(t)
	var gone *NotExistError
	if _, err := s.Get("c"); !errors.As(err, &gone) {
		t.Errorf("get of nothing: %v", err)
	}
	if _, err := s.Lock("c"); !errors.As(err, &gone) {
		t.Errorf("lock of nothing: %v", err)
	}
	c, err := s.add("c")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.add("c"); err == nil || !strings.Contains(err.Error(), "exists already") {
		t.Errorf("a second one while the first is made: %v", err)
	}
	if list, err := s.List(); err != nil || len(list) > 0 {
		t.Errorf("one that is not made yet is listed: %v, %v", list, err)
	}
	c.Bundle = "/b"
	if err := c.save(); err != nil {
		t.Fatal(err)
	}
	c.Unlock()
	if _, err := s.add("c"); err == nil || !strings.Contains(err.Error(), "exists already") {
		t.Errorf("a second one: %v", err)
	}
	if got, err := s.Get("c"); err != nil || got.ID != "c" || got.Bundle != "/b" {
		t.Errorf("%+v, %v", got, err)
	}
	if list, err := s.List(); err != nil || len(list) != 1 || list[0].ID != "c" {
		t.Errorf("%v, %v", list, err)
	}
	if err := c.remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get("c"); !errors.As(err, &gone) {
		t.Errorf("after removal: %v", err)
	}
}

// TestLeftoverOfACreateThatWasKilled: what has a lock and no state is nobody's.
func TestLeftoverOfACreateThatWasKilled(t *testing.T) {
	s := open(t)
	c, err := s.add("c")
	if err != nil {
		t.Fatal(err)
	}
	c.Unlock()
	if err := os.WriteFile(filepath.Join(c.dir, socketFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	again, err := s.add("c")
	if err != nil {
		t.Fatal(err)
	}
	defer again.Unlock()
	if _, err := os.Lstat(filepath.Join(c.dir, socketFile)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its socket is still there: %v", err)
	}
}

func TestStatus(t *testing.T) {
	self, err := state.Identify(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		c    Container
		want specs.ContainerState
		pid  int
	}{
		{Container{Init: self}, specs.StateCreated, os.Getpid()},
		{Container{Init: self, Started: true}, specs.StateRunning, os.Getpid()},
		{Container{Started: true}, specs.StateStopped, 0},
	} {
		if st := c.c.State(); st.Status != c.want || st.Pid != c.pid {
			t.Errorf("%+v, want %s %d", st, c.want, c.pid)
		}
	}
}

func TestKillOfWhatIsNotThere(t *testing.T) {
	s := open(t)
	c, err := s.add("c")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.save(); err != nil {
		t.Fatal(err)
	}
	c.Unlock()
	if err := s.Kill("c", unix.SIGTERM); err == nil || err.Error() != `cannot kill container "c": it is stopped` {
		t.Errorf("%v", err)
	}
	if err := s.Start("c"); err == nil || err.Error() != `cannot start container "c": it is stopped` {
		t.Errorf("%v", err)
	}
}

// TestSocketOfALongPath: the name of a unix socket has 108 bytes at most.
func TestSocketOfALongPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 40))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, socketFile)
	l, err := listen(path)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := socket.Dial(path)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	l.Close()
	if _, err := socket.Dial(path); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("nobody listens any more: %v", err)
	}
	if _, err := dialConsole(filepath.Join(dir, "none", "x")); err == nil || !strings.HasPrefix(err.Error(), "connect to console socket: ") {
		t.Errorf("%v", err)
	}
}

func TestPidFileIsNotWrittenThroughALink(t *testing.T) {
	dir := t.TempDir()
	victim, file := filepath.Join(dir, "victim"), filepath.Join(dir, "pid")
	if err := errors.Join(os.WriteFile(victim, []byte("mine"), 0o600), os.Symlink(victim, file)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(writePid("", 1), writePid(file, 42)); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(victim); err != nil || string(data) != "mine" {
		t.Errorf("THE LINK WAS FOLLOWED: %q %v", data, err)
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != "42" {
		t.Errorf("%q %v", data, err)
	}
}
