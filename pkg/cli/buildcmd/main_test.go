// SPDX-License-Identifier: Apache-2.0

package buildcmd

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
	"go.podman.io/storage/pkg/reexec"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/dockerfile"
	"coracle/pkg/image"
	"coracle/pkg/ns"
	"coracle/pkg/worker"
)

// TestMain is the worker, too.
func TestMain(m *testing.M) {
	if os.Args[0] == ns.StageWorker {
		os.Exit(worker.Main(append(dockerfile.Ops(), image.Ops(nil)...)...))
	}
	if reexec.Init() {
		return
	}
	os.Exit(m.Run())
}

// user types commands of builds, in a directory of its own.
type user struct {
	t   *testing.T
	dir string
}

func newUser(t *testing.T) user {
	t.Helper()
	t.Setenv("XDG_RUNTIME_DIR", "")
	t.Setenv("SOURCE_DATE_EPOCH", "0") // of a runner of these tests
	os.Unsetenv("SOURCE_DATE_EPOCH")
	t.Setenv("BUILDKIT_PROGRESS", "")
	u := user{t, t.TempDir()}
	t.Chdir(u.dir)
	return u
}

func (u user) write(name, text string) {
	u.t.Helper()
	err := os.MkdirAll(filepath.Dir(filepath.Join(u.dir, name)), 0o755)
	if err == nil {
		err = os.WriteFile(filepath.Join(u.dir, name), []byte(text), 0o644)
	}
	if err != nil {
		u.t.Fatal(err)
	}
}

type result struct {
	out, err string
	why      error
}

// code is the exit code.
func (r result) code() int {
	var exit *command.ExitError
	switch {
	case r.why == nil:
		return 0
	case errors.As(r.why, &exit):
		return exit.Code
	}
	return 1
}

// env is a program's, with text on its standard input.
func (u user) env(stdin string) *command.Env {
	u.t.Helper()
	home := u.t.TempDir()
	file := func(name, text string) *os.File {
		f, err := os.Create(filepath.Join(home, name))
		if err == nil {
			_, err = f.WriteString(text)
		}
		if err == nil {
			_, err = f.Seek(0, io.SeekStart)
		}
		if err != nil {
			u.t.Fatal(err)
		}
		u.t.Cleanup(func() { f.Close() })
		return f
	}
	return &command.Env{
		Program: "docker", Root: filepath.Join(u.dir, "..", "root"), Umask: 0o027, Config: home,
		Stdin: file("in", stdin), Stdout: &command.Output{File: file("out", "")}, Stderr: file("err", ""),
	}
}

// typed carries out a command line; instead, if not nil, is what build does.
func typed(e *command.Env, instead func(c *cli.Context) error, words ...string) error {
	build := Build(e)
	if instead != nil {
		build.Action = instead
	}
	app := &cli.App{
		Name: "docker", DisableSliceFlagSeparator: true, HideHelp: true, Writer: io.Discard, ErrWriter: io.Discard,
		ExitErrHandler: func(*cli.Context, error) {},
		Commands:       []*cli.Command{build, {Name: "builder", Subcommands: []*cli.Command{Cache(e), Prune(e)}}, Buildx(e)},
	}
	args, _, err := flags.Arrange(app, words)
	if err != nil {
		return err
	}
	return app.RunContext(context.Background(), append([]string{"docker"}, args...))
}

func (u user) run(stdin string, words ...string) result {
	u.t.Helper()
	e := u.env(stdin)
	err := typed(e, nil, words...)
	read := func(f *os.File) string {
		data, err := os.ReadFile(f.Name())
		if err != nil {
			u.t.Fatal(err)
		}
		return string(data)
	}
	return result{read(e.Stdout.File), read(e.Stderr), err}
}

// request is what a command line asks for.
func (u user) request(words ...string) (r dockerfile.Request, out []buildOutput, err error) {
	u.t.Helper()
	e := u.env("")
	err = typed(e, func(c *cli.Context) (err error) {
		if r, err = buildRequest(e, c); err == nil {
			out, err = buildOutputs(e, c)
		}
		return err
	}, append([]string{"build"}, words...)...)
	return r, out, err
}

// contains fails for words that are not in text.
func (u user) contains(what, text string, words ...string) {
	u.t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			u.t.Errorf("%s: %q is not in\n%s", what, w, text)
		}
	}
}
