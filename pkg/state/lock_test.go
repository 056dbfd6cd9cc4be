// SPDX-License-Identifier: Apache-2.0

package state_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"coracle/pkg/state"
)

// TestMain is also the process that holds a lock or writes a file until it is
// killed.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "hold" {
		mode := state.Exclusive
		if os.Args[3] == "shared" {
			mode = state.Shared
		}
		if _, err := state.TryAcquire(state.LockFile{Path: os.Args[2]}, mode); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("held")
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
	if len(os.Args) == 3 && os.Args[1] == "write" {
		fmt.Println("writing")
		for i := byte('a'); ; i = 'a' + (i-'a'+1)%26 {
			if err := state.WriteVolatile(os.Args[2], content(i), 0o600); err != nil {
				fmt.Println(err)
				os.Exit(1)
			}
		}
	}
	os.Exit(m.Run())
}

// another starts this program in another role and waits for its first word.
func another(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	word, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || word != "held\n" && word != "writing\n" {
		t.Fatalf("%v said %q: %v", args, word, err)
	}
	return cmd
}

func TestLockModes(t *testing.T) {
	for _, c := range []struct {
		first, second state.Mode
		together      bool
	}{
		{state.Shared, state.Shared, true},
		{state.Shared, state.Exclusive, false},
		{state.Exclusive, state.Shared, false},
		{state.Exclusive, state.Exclusive, false},
	} {
		path := filepath.Join(t.TempDir(), "lock")
		first, err := state.TryAcquire(state.LockFile{Path: path}, c.first)
		if err != nil {
			t.Fatal(err)
		}
		second, err := state.TryAcquire(state.LockFile{Path: path}, c.second)
		if (err == nil) != c.together || err != nil && !errors.Is(err, state.ErrLocked) {
			t.Errorf("mode %d beside %d: %v", c.second, c.first, err)
		}
		second.Release()
		first.Release()
		first.Release() // no harm
		again, err := state.TryAcquire(state.LockFile{Path: path}, state.Exclusive)
		if err != nil {
			t.Errorf("after Release: %v", err)
		}
		again.Release()
		if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("lock file: %v, %v", st.Mode(), err)
		}
	}
}

func TestLockNamesItsHolder(t *testing.T) {
	for _, mode := range []string{"shared", "exclusive"} {
		path := filepath.Join(t.TempDir(), "lock")
		// Who had it before must not be named.
		before, err := state.TryAcquire(state.LockFile{Path: path}, state.Exclusive)
		if err != nil {
			t.Fatal(err)
		}
		before.Release()
		cmd := another(t, "hold", path, mode)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err = state.Acquire(ctx, state.LockFile{Path: path}, state.Exclusive)
		want := "(pid " + strconv.Itoa(cmd.Process.Pid) + ": " + os.Args[0] + " hold"
		if !errors.Is(err, state.ErrLocked) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", mode, err, want)
		}
	}
}

func TestLockEndsWithItsHolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	cmd := another(t, "hold", path, "exclusive")
	got := make(chan error, 1)
	go func() {
		l, err := state.Acquire(t.Context(), state.LockFile{Path: path}, state.Exclusive)
		l.Release()
		got <- err
	}()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Errorf("the holder was killed, but: %v", err)
	}
}

func TestLockIsNoLink(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("elsewhere", filepath.Join(dir, "lock")); err != nil {
		t.Fatal(err)
	}
	if _, err := state.TryAcquire(state.LockFile{Path: filepath.Join(dir, "lock")}, state.Exclusive); err == nil {
		t.Error("a link was followed")
	}
	if _, err := os.Lstat(filepath.Join(dir, "elsewhere")); err == nil {
		t.Error("a file was made behind the link")
	}
}
