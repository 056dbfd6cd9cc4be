// SPDX-License-Identifier: Apache-2.0

//go:build lockorder

package state

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestOutOfOrder(t *testing.T) {
	file := func(r Rank, path string) LockFile { return LockFile{path, r} }
	names := file(RankNames, "/n")
	for what, c := range map[string]struct {
		holds []LockFile
		next  LockFile
		ok    bool
	}{
		"nothing held":        {nil, names, true},
		"upwards":             {[]LockFile{file(RankImages, "/i"), file(RankVolumes, "/v")}, names, true},
		"downwards":           {[]LockFile{names}, file(RankImages, "/i"), false},
		"one of two":          {[]LockFile{file(RankImages, "/i"), file(RankRecord, "/r")}, names, false},
		"the same":            {[]LockFile{names}, names, false},
		"one rank, by path":   {[]LockFile{file(RankCacheMount, "/a")}, file(RankCacheMount, "/b"), true},
		"one rank, backwards": {[]LockFile{file(RankCacheMount, "/b")}, file(RankCacheMount, "/a"), false},
		"a container's last":  {[]LockFile{names}, file(RankContainer, "/c"), false},
	} {
		if why := outOfOrder(c.holds, c.next); (why == "") != c.ok {
			t.Errorf("%s: %q", what, why)
		}
	}
}

// TestEnds runs itself in the part of a process that breaks a rule.
func TestEnds(t *testing.T) {
	d := Dirs{Root: os.Getenv("LOCKORDER_ROOT")}
	take := func(file LockFile) *Lock {
		l, err := Acquire(t.Context(), file, Exclusive)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	cases := map[string]struct {
		do  func()
		why string // "" when all is well
	}{
		"against the order":  {func() { take(d.NamesLock()); take(d.ImageLock()) }, "waits for lock images"},
		"held across a call": {func() { take(d.NamesLock()); MustHoldNone("ask somebody") }, "is to ask somebody while it holds lock names"},
		"given up in time": {func() {
			take(d.NamesLock()).Release()
			take(d.ImageLock()).Release()
			MustHoldNone("ask somebody")
		}, ""},
		"only tried": {func() {
			take(d.NamesLock())
			if _, err := TryAcquire(d.ImageLock(), Exclusive); err != nil {
				t.Fatal(err)
			}
		}, ""},
		"another line of work": {func() {
			take(d.NamesLock())
			done := make(chan bool)
			go func() { take(d.ImageLock()); done <- true }()
			<-done
		}, ""},
	}
	if d.Root != "" {
		cases[os.Getenv("LOCKORDER_CASE")].do()
		return
	}
	for what, c := range cases {
		root := t.TempDir()
		if err := os.Mkdir(filepath.Join(root, "names"), 0o700); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(os.Args[0], "-test.run", "^TestEnds$")
		cmd.Env = append(os.Environ(), "LOCKORDER_ROOT="+root, "LOCKORDER_CASE="+what)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		_ = cmd.Run()
		if code := cmd.ProcessState.ExitCode(); (code == exitOutOfOrder) != (c.why != "") || !strings.Contains(out.String(), c.why) {
			t.Errorf("%s: exit code %d: %s", what, code, out.String())
		}
	}
}
