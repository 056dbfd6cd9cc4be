// SPDX-License-Identifier: Apache-2.0

package exec

import (
	"fmt"
	"path/filepath"

	"github.com/moby/patternmatcher"

	"coracle/pkg/dockerfile/files"
	"coracle/pkg/dockerfile/plan"
	"coracle/pkg/overlay"
)

// fromDir takes the files of a directory that --build-context gives a name to.
// As a layer it is like a stage.
func (s *Solver) fromDir(op plan.FromDir) (step, error) {
	t, err := s.openDir(op)
	if err != nil {
		return step{}, fmt.Errorf("open build context %s: %w", op.Name, err)
	}
	s.Trees.Keep(t)
	patterns, err := files.ReadIgnore(t.Root().OpenFile(".dockerignore", files.OpenFlags, 0))
	if err != nil {
		return step{}, err
	}
	if t.Ignore, err = patternmatcher.New(patterns); err != nil {
		return step{}, fmt.Errorf("read .dockerignore: %w", err)
	}
	p := &files.Copy{Verb: "context", Dest: "/", Warn: s.Warn}
	if err := p.Add(t, ".", files.Options{}); err != nil {
		return step{}, err
	}
	sum, err := p.Digest(s.Ctx, nil)
	return step{files: []string{sum}, make: func(d *overlay.Dir, lowers []string) error {
		return s.write(p, false, d, lowers)
	}}, err
}

func (s *Solver) openDir(op plan.FromDir) (*files.Tree, error) {
	if op.Sent != "" {
		return s.Receive(op.Sent)
	}
	dir, err := filepath.EvalSymlinks(op.Dir)
	if err != nil {
		return nil, err
	}
	return files.OpenTree(dir, nil)
}
