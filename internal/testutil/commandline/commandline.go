// SPDX-License-Identifier: Apache-2.0

// Package commandline runs command lines of the program within a test, in a store of
// the test's own: for what needs no user namespace, and with nothing of it left out
// but main. What does need one is tested with the program itself, in test.
package commandline

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"coracle/internal/testutil"
	"coracle/pkg/cli"
	"coracle/pkg/cli/command"
)

// House is a store, and who types: as coracle, unless Program says docker.
type House struct {
	t       testing.TB
	Program string
	Root    string // the store's directory
	Stdin   string // what is typed at questions
}

// New is an empty store. The caller's configuration is not read.
func New(t *testing.T) *House {
	t.Helper()
	testutil.Needs(t, testutil.Unprivileged())
	dir := t.TempDir()
	for _, key := range []string{"DOCKER_CONFIG", "HOME", "XDG_RUNTIME_DIR"} {
		t.Setenv(key, filepath.Join(dir, "home"))
	}
	if err := os.Mkdir(filepath.Join(dir, "home"), 0o700); err != nil {
		t.Fatal(err)
	}
	return &House{t: t, Program: "coracle", Root: filepath.Join(dir, "root")}
}

// Do runs one command line.
func (h *House) Do(args ...string) testutil.Result {
	h.t.Helper()
	var files [3]*os.File
	for i := range files {
		f, err := os.CreateTemp(h.t.TempDir(), "stream")
		if err != nil {
			h.t.Fatal(err)
		}
		defer f.Close()
		files[i] = f
	}
	if _, err := files[0].WriteString(h.Stdin); err != nil {
		h.t.Fatal(err)
	}
	text := func(f *os.File) string {
		_, _ = f.Seek(0, io.SeekStart)
		data, _ := io.ReadAll(f)
		return string(data)
	}
	_, _ = files[0].Seek(0, io.SeekStart)
	e := &command.Env{
		Program: h.Program, Args: append([]string{"--root", h.Root}, args...), Umask: 0o022, Version: "1.2.3",
		Stdin: files[0], Stdout: &command.Output{File: files[1]}, Stderr: files[2],
	}
	code := cli.Run(h.t.Context(), e)
	return testutil.Result{Out: text(files[1]), Err: text(files[2]), Code: code}
}

// OK is what a command that succeeds prints, without the space around it.
func (h *House) OK(args ...string) string {
	h.t.Helper()
	r := h.Do(args...)
	if r.Code != 0 {
		h.t.Fatalf("%q: %d\n%s", args, r.Code, r.All())
	}
	return r.Text()
}

// Fails checks the code and the words of a command that fails.
func (h *House) Fails(code int, words string, args ...string) {
	h.t.Helper()
	r := h.Do(args...)
	if r.Code != code {
		h.t.Errorf("%q: ends with %d, want %d: %s", args, r.Code, code, r.All())
	}
	testutil.Contains(h.t, r.Err, words)
}
