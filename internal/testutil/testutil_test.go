// SPDX-License-Identifier: Apache-2.0

package testutil

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// verdict is a test that only remembers what it was told.
type verdict struct {
	testing.TB
	failed, skipped bool
	said            string
	cleanups        []func()
}

func (v *verdict) Helper()                        {}
func (v *verdict) Failed() bool                   { return v.failed }
func (v *verdict) Skipped() bool                  { return v.skipped }
func (v *verdict) Cleanup(f func())               { v.cleanups = append(v.cleanups, f) }
func (v *verdict) Errorf(format string, a ...any) { v.failed, v.said = true, format }
func (v *verdict) Fatalf(format string, a ...any) { v.failed, v.said = true, format }
func (v *verdict) Skipf(format string, a ...any)  { v.skipped, v.said = true, format }
func (v *verdict) Skip(a ...any)                  { v.skipped = true }

func TestFinish(t *testing.T) {
	for _, c := range []struct {
		script string
		want   Result
	}{
		{"echo out; echo err >&2; exit 3", Result{"out\n", "err\n", 3}},
		{"kill -9 $$", Result{"", "\nsignal: killed", -1}},
	} {
		if got := Finish(exec.Command("sh", "-c", c.script)); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.script, got, c.want)
		}
	}
	if got := Finish(exec.Command("/nowhere")); got.Code != -1 || !strings.Contains(got.Err, "/nowhere") {
		t.Errorf("a program that is not there: %+v", got)
	}
	// What is left behind holds the pipe, and is not waited for.
	cmd := exec.Command("sh", "-c", "sleep 60 & echo $!")
	cmd.WaitDelay = 10 * time.Millisecond
	r := Finish(cmd)
	if r.Code != 0 || r.Text() == "" {
		t.Errorf("with a child left behind: %+v", r)
	}
	_ = exec.Command("kill", r.Text()).Run()
}

func TestPanicked(t *testing.T) {
	for text, want := range map[string]bool{"panic: x": true, "fatal error: y\n\ngoroutine 1 [running]:": true, "error: z": false} {
		if got := (Result{Err: text}).Panicked(); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestWithin(t *testing.T) {
	n := 0
	if !within(time.Minute, time.Microsecond, func() bool { n++; return n == 3 }) || n != 3 {
		t.Errorf("asked %d times", n)
	}
	if n = 0; within(0, time.Microsecond, func() bool { n++; return false }) || n == 0 {
		t.Error("what is never true was, or nobody asked")
	}
}

func TestRounds(t *testing.T) {
	for name, rounds := range map[string][]bool{"none": nil, "all in vain": {false, false}, "one": {false, true, false}} {
		v := &verdict{}
		r := NewRounds(v, "it ran")
		for _, yes := range rounds {
			if r.Ran(yes) != yes {
				t.Error("another answer")
			}
		}
		for _, f := range v.cleanups {
			f()
		}
		if v.failed != (name != "one") {
			t.Errorf("%s: failed is %v", name, v.failed)
		}
	}
}

func TestNeeds(t *testing.T) {
	lacking := errors.New("no such thing")
	for _, c := range []struct {
		ci, none        string
		err             error
		failed, skipped bool // of Needs
		nsFailed        bool // of NeedsUserns; it skips otherwise
	}{
		{"", "", nil, false, false, false}, {"1", "", nil, false, false, false},
		{"", "", lacking, false, true, true}, {"true", "", lacking, true, false, true}, {"true", "1", lacking, true, false, false},
	} {
		t.Setenv("CI", c.ci)
		t.Setenv("CORACLE_NO_USERNS", c.none)
		v, ns := &verdict{}, &verdict{}
		Needs(v, c.err)
		NeedsUserns(ns, c.err)
		if v.failed != c.failed || v.skipped != c.skipped || ns.failed != c.nsFailed || ns.skipped != (c.err != nil && !c.nsFailed) {
			t.Errorf("%+v: %+v, %+v", c, v, ns)
		}
	}
}

func TestArchive(t *testing.T) {
	files := []File{
		{Name: "d", Kind: tar.TypeDir, Mode: 0o755}, {Name: "d/f", Text: "text"}, {Name: "l", Kind: tar.TypeSymlink, Link: "d/f"}, {Name: "z", Size: 70000},
	}
	data, err := Tar(files)
	if err != nil {
		t.Fatal(err)
	}
	r := tar.NewReader(bytes.NewReader(data))
	for _, f := range files {
		h, err := r.Next()
		if err != nil || strings.TrimSuffix(h.Name, "/") != f.Name || h.Linkname != f.Link {
			t.Fatalf("%+v, %v, want %s", h, err, f.Name)
		}
		text, _ := io.ReadAll(r)
		if f.Text != "" && string(text) != f.Text || f.Size > 0 && (int64(len(text)) != f.Size || len(bytes.Trim(text, "\x00")) > 0) {
			t.Errorf("%s holds %d bytes", f.Name, len(text))
		}
	}
	dir := t.TempDir()
	if err := WriteDir(dir, files[:3]); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "l")); err != nil || string(text) != "text" {
		t.Errorf("%q, %v", text, err)
	}
}

func TestFreePorts(t *testing.T) {
	first := FreePorts(t, 3)
	for i := range 3 {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(first+i)))
		if err != nil {
			t.Error(err)
			continue
		}
		l.Close()
	}
}
