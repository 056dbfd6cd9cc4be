// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"coracle/pkg/cli/flags"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"coracle/pkg/container"
	"coracle/pkg/ids"
	"coracle/pkg/ns"
	"coracle/pkg/overlay"
	"coracle/pkg/state"
)

// env is what every command works with. It is the only wiring: stores are
// opened here, when a command first asks for them.
type env struct {
	program       string   // what we were called: coracle, or docker
	args          []string // the whole command line without argv[0]
	umask         int      // the caller's
	version       string   // our own
	stdin, stderr *os.File
	stdout        *output

	root   string   // --root
	config string   // --config: a directory, or empty
	warned []string // what warn has said
	dirs   state.Dirs
	store  *overlay.Store
}

// open finds the directories.
func (e *env) open() (state.Dirs, error) {
	if e.dirs.Root == "" {
		d, err := state.Open(e.root)
		if err != nil {
			return d, err
		}
		e.dirs = d
	}
	return e.dirs, nil
}

// containers is the set of containers.
func (e *env) containers() (*container.Store, error) {
	d, err := e.open()
	if err != nil {
		return nil, err
	}
	return container.NewStore(d), nil
}

// container finds the container that a command is about.
func (e *env) container(arg string) (*container.Store, *container.Container, error) {
	cs, err := e.containers()
	if err != nil {
		return nil, nil, err
	}
	ctr, err := cs.Lookup(arg)
	return cs, ctr, err
}

// inside runs f with the open image store inside the user namespace. Outside
// of it, it runs this whole command line again in there, and passes its exit
// code on.
func (e *env) inside(f func(*overlay.Store) error) error {
	if !ns.Inside() {
		return e.again()
	}
	st, err := e.openStore()
	if err != nil {
		return err
	}
	return f(st)
}

func (e *env) openStore() (*overlay.Store, error) {
	if e.store != nil {
		return e.store, nil
	}
	d, err := e.open()
	if err != nil {
		return nil, err
	}
	maps, err := ids.Current()
	if err != nil {
		return nil, err
	}
	st, err := overlay.Open(d, overlay.Options{SingleID: maps.Single()})
	if err != nil {
		return nil, err
	}
	e.store = st
	return st, nil
}

// enter runs another command line of ours in the user namespace.
func (e *env) enter(stdout *os.File, args ...string) error {
	if e.root != "" {
		args = append([]string{"--root=" + e.root}, args...)
	}
	return e.runInside(stdout, args)
}

// again runs this whole command line again in the user namespace.
func (e *env) again() error { return e.runInside(e.stdout.File, e.args) }

// runInside ends with the exit code of what ran.
func (e *env) runInside(stdout *os.File, args []string) error {
	code, err := ns.Enter(Call{Argv0: e.program, Args: args, Umask: e.umask}.words(), e.stdin, stdout, e.stderr)
	if err != nil {
		return err
	}
	return exit(code)
}

// index is the list of images.
func (e *env) index() (*overlay.Index, error) {
	s, err := images(e)
	if err != nil {
		return nil, err
	}
	return s.Index(context.Background())
}

// details are those of an image that is in the index.
func (e *env) details(id string) (overlay.Details, error) {
	s, err := images(e)
	if err != nil {
		return overlay.Details{}, err
	}
	return s.Details(context.Background(), id)
}

// image finds one image.
func (e *env) image(arg string) (overlay.Image, string, error) {
	s, err := images(e)
	if err != nil {
		return overlay.Image{}, "", err
	}
	return s.Find(context.Background(), arg)
}

// close gives up what was opened.
func (e *env) close() error {
	if e.store == nil {
		return nil
	}
	return e.store.Close()
}

// isTerminal reports whether f is one.
func isTerminal(f interface{ Fd() uintptr }) bool { return term.IsTerminal(int(f.Fd())) }

func programName(argv0 string) string {
	if name := filepath.Base(argv0); name == "docker" {
		return name
	}
	return "coracle"
}

// needArgs refuses too few or too many arguments in Docker's words; most < 0
// is without limit.
func needArgs(e *env, c *cli.Context, path string, least, most int) error {
	n := c.Args().Len()
	if n >= least && (most < 0 || n <= most) {
		return nil
	}
	count := func(n int) string {
		if n == 1 {
			return "1 argument"
		}
		return fmt.Sprintf("%d arguments", n)
	}
	var needs string
	switch {
	case most == 0:
		return &flags.UsageError{Cmd: c.Command, Path: path, Message: fmt.Sprintf("'%s %s' accepts no arguments", e.program, path), Code: 1}
	case most < 0:
		needs = "at least " + count(least)
	case least == most:
		needs = count(least)
	case least == 0:
		needs = "at most " + count(most)
	default:
		needs = fmt.Sprintf("at least %d and at most %s", least, count(most))
	}
	return &flags.UsageError{Cmd: c.Command, Path: path, Message: fmt.Sprintf("'%s %s' requires %s", e.program, path, needs), Code: 1, See: most < 0}
}

// commandPath is how a command was called: "container stop".
func commandPath(c *cli.Context) string {
	var words []string
	for _, l := range c.Lineage() {
		if l.Command != nil && l.Command.Name != "" && l.Command.Name != l.App.Name {
			words = append([]string{l.Command.Name}, words...)
		}
	}
	return strings.Join(words, " ")
}
