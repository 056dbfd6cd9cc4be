// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"coracle/pkg/cli/flags"
	"coracle/pkg/container"
	"coracle/pkg/overlay"
	"coracle/pkg/state"
)

// Env is what every command works with. It is the only wiring: directories are
// found, and the nouns' stores made, when a command first asks for them.
type Env struct {
	Program       string   // what we were called: coracle, or docker
	Args          []string // the whole command line without argv[0]
	Umask         int      // the caller's
	Version       string   // our own
	Stdin, Stderr *os.File
	Stdout        *Output

	Root   string   // --root
	Config string   // --config: a directory, or empty
	warned []string // what warn has said
	Dirs   state.Dirs
}

// Open finds the directories.
func (e *Env) Open() (state.Dirs, error) {
	if e.Dirs.Root == "" {
		d, err := state.Open(e.Root)
		if err != nil {
			return d, err
		}
		e.Dirs = d
		if d.Homeless != nil {
			e.Warn("the store is in the temporary space, at %s: %v (see: coracle doctor store)", d.Root, d.Homeless)
		}
	}
	return e.Dirs, nil
}

// Containers is the set of containers.
func (e *Env) Containers() (*container.Store, error) {
	d, err := e.Open()
	if err != nil {
		return nil, err
	}
	return container.NewStore(d), nil
}

// Container finds the container that a command is about.
func (e *Env) Container(arg string) (*container.Store, *container.Container, error) {
	cs, err := e.Containers()
	if err != nil {
		return nil, nil, err
	}
	ctr, err := cs.Lookup(arg)
	return cs, ctr, err
}

// Index is the list of images.
func (e *Env) Index() (*overlay.Index, error) {
	s, err := Images(e)
	if err != nil {
		return nil, err
	}
	return s.Index(context.Background())
}

// Details are those of an image that is in the index.
func (e *Env) Details(id string) (overlay.Details, error) {
	s, err := Images(e)
	if err != nil {
		return overlay.Details{}, err
	}
	return s.Details(context.Background(), id)
}

// Image finds one image.
func (e *Env) Image(arg string) (overlay.Image, string, error) {
	s, err := Images(e)
	if err != nil {
		return overlay.Image{}, "", err
	}
	return s.Find(context.Background(), arg)
}

// IsTerminal reports whether f is one.
func IsTerminal(f interface{ Fd() uintptr }) bool { return term.IsTerminal(int(f.Fd())) }

// ProgramName is what the program calls itself when it was executed as argv0:
// docker, by a link of that name, or coracle.
func ProgramName(argv0 string) string {
	if name := filepath.Base(argv0); name == "docker" {
		return name
	}
	return "coracle"
}

// Takes is the action of a command that takes so many arguments; see NeedArgs.
func Takes(e *Env, least, most int, do func(e *Env, c *cli.Context) error) cli.ActionFunc {
	return func(c *cli.Context) error {
		if err := NeedArgs(e, c, least, most); err != nil {
			return err
		}
		return do(e, c)
	}
}

// NeedArgs refuses too few or too many arguments in Docker's words; most < 0
// is without limit.
func NeedArgs(e *Env, c *cli.Context, least, most int) error {
	n := c.Args().Len()
	if n >= least && (most < 0 || n <= most) {
		return nil
	}
	path := commandPath(c)
	count := func(n int) string {
		if n == 1 {
			return "1 argument"
		}
		return fmt.Sprintf("%d arguments", n)
	}
	var needs string
	switch {
	case most == 0:
		return &flags.UsageError{Cmd: c.Command, Path: path, Message: fmt.Sprintf("'%s %s' accepts no arguments", e.Program, path), Code: 1}
	case most < 0:
		needs = "at least " + count(least)
	case least == most:
		needs = count(least)
	case least == 0:
		needs = "at most " + count(most)
	default:
		needs = fmt.Sprintf("at least %d and at most %s", least, count(most))
	}
	return &flags.UsageError{Cmd: c.Command, Path: path, Message: fmt.Sprintf("'%s %s' requires %s", e.Program, path, needs), Code: 1, See: most < 0}
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
