// SPDX-License-Identifier: Apache-2.0

package exec

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/opencontainers/go-digest"

	"coracle/pkg/dockerfile/files"
	"coracle/pkg/dockerfile/plan"
	"coracle/pkg/overlay"
)

// copy is COPY and ADD.
func (s *Solver) copy(c plan.Copy) (step, error) {
	p, err := s.newCopy(c)
	if err != nil {
		return step{}, err
	}
	if c.From != nil {
		return s.copyFrom(c, p), nil
	}
	if err := s.collect(p, c); err != nil {
		return step{}, err
	}
	sum, err := p.Digest(s.Ctx, s.Sums)
	return step{files: []string{sum}, make: func(d *overlay.Dir, lowers []string) error {
		return s.write(p, c.Link, d, lowers)
	}}, err
}

// copyFrom copies from a stage or an image, at which nothing is looked for a
// step that is in the cache.
func (s *Solver) copyFrom(c plan.Copy, p *files.Copy) step {
	return step{make: func(d *overlay.Dir, lowers []string) error {
		t, err := s.Trees.Of(s.Layers(c.From))
		if err != nil {
			return err
		}
		for _, src := range c.SourcePaths {
			if err := p.Add(t, src, options(c)); err != nil {
				return err
			}
		}
		addTexts(p, c)
		return s.write(p, c.Link, d, lowers)
	}}
}

// write makes the copies: above the layers, or with --link in a layer that
// does not see them.
func (s *Solver) write(p *files.Copy, link bool, d *overlay.Dir, lowers []string) error {
	if link && p.Mode == nil {
		lowers = nil
	}
	t, err := s.Trees.mountUpper(d, lowers, p.Unpacks())
	if err != nil {
		return err
	}
	defer t.Close()
	return p.Write(s.Ctx, t)
}

func (s *Solver) newCopy(c plan.Copy) (*files.Copy, error) {
	if c.Link && !files.NumericOwner(c.Chown) {
		return nil, fmt.Errorf("--chown=%s: user and group names can't be resolved when used with --link, use numeric uid[:gid] instead", c.Chown)
	}
	if err := checkChecksum(c); err != nil {
		return nil, err
	}
	mode, err := files.ParseMode(c.Chmod)
	if err != nil {
		return nil, err
	}
	return &files.Copy{Verb: c.Verb, Dest: c.Dest, Chown: c.Chown, Mode: mode, Time: s.epoch, Warn: s.Warn}, nil
}

func checkChecksum(c plan.Copy) error {
	switch {
	case c.Checksum == "":
		return nil
	case len(c.SourcePaths) != 1:
		return errors.New("checksum can't be specified for multiple sources")
	case !files.IsRemote(c.SourcePaths[0]):
		return errors.New("checksum requires HTTP(S) or Git sources")
	}
	_, err := digest.Parse(c.Checksum)
	return err
}

func options(c plan.Copy) files.Options {
	return files.Options{Exclude: c.Exclude, Parents: c.Parents, Unpack: c.Add && (c.Unpack == nil || *c.Unpack)}
}

func addTexts(p *files.Copy, c plan.Copy) {
	for _, h := range c.SourceContents {
		p.AddText(h.Path, h.Data)
	}
}

var errNoContext = errors.New("there is no build context: the Dockerfile was read from standard input")

// collect finds the sources in the context, downloads, and takes
// here-documents.
func (s *Solver) collect(p *files.Copy, c plan.Copy) error {
	for _, src := range c.SourcePaths {
		var err error
		switch {
		case files.IsRemote(src) && !c.Add && files.IsGit(src):
			err = errors.New("source can't be a git ref for COPY")
		case files.IsRemote(src) && !c.Add:
			err = errors.New("source can't be a URL for COPY")
		case files.IsRemote(src):
			err = s.addRemote(p, src, c)
		case s.Context == nil:
			err = errNoContext
		default:
			err = p.Add(s.Context, src, options(c))
		}
		if err != nil {
			return err
		}
	}
	addTexts(p, c)
	return nil
}

// addRemote fetches a URL into a temporary directory.
func (s *Solver) addRemote(p *files.Copy, src string, c plan.Copy) error {
	if files.IsGit(src) {
		return errors.New("ADD of git repositories is not supported")
	}
	dir, err := s.Trees.TempDir("add-")
	if err != nil {
		return err
	}
	t, err := p.Fetch(s.Ctx, src, c.Checksum, dir, c.Unpack != nil && *c.Unpack, func() { _ = os.RemoveAll(dir) })
	if t != nil {
		s.Trees.Keep(t)
	}
	return err
}

// workdir is WORKDIR.
func (s *Solver) workdir(w plan.Workdir) step {
	return step{make: func(d *overlay.Dir, lowers []string) error {
		root, err := s.Trees.mountUpper(d, lowers, false)
		if err != nil {
			return err
		}
		defer root.Close()
		return makeWorkdir(root, w, s.epoch)
	}}
}

func makeWorkdir(root *files.Target, w plan.Workdir, epoch *time.Time) error {
	var own files.Owner
	if w.User != "" {
		var err error
		if own, err = files.ResolveOwner(root.Path(), w.User); err != nil {
			return err
		}
	}
	var when time.Time
	if epoch != nil {
		when = *epoch
	}
	if _, err := root.MkdirAll(w.Dir, 0o755, own, when); err != nil {
		return fmt.Errorf("create working directory %s: %w", w.Dir, err)
	}
	return nil
}
