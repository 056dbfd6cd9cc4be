// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"

	"github.com/moby/patternmatcher"

	"coracle/pkg/dockerfile/files"
	"coracle/pkg/overlay"
)

// namedContext is a directory that --build-context gives a name to. Its files
// become a layer when they are asked for first: then it is like a stage.
type namedContext struct {
	once   sync.Once
	layers []overlay.LayerID
	err    error
}

// named returns what --build-context says of a name. "scratch" is never one.
func (b *builder) named(name string) (Context, bool) {
	c, ok := b.o.Contexts[strings.ToLower(name)]
	return c, ok && name != "scratch"
}

// contextLayers are the files of a directory with a name.
func (b *builder) contextLayers(name, dir string) ([]overlay.LayerID, error) {
	name = strings.ToLower(name)
	b.mu.Lock()
	c := b.contexts[name]
	if c == nil {
		c = &namedContext{}
		b.contexts[name] = c
	}
	b.mu.Unlock()
	c.once.Do(func() { c.layers, c.err = b.loadContext(name, dir) })
	return c.layers, c.err
}

func (b *builder) loadContext(name, dir string) ([]overlay.LayerID, error) {
	v := b.tell.announce("[context " + name + "] load from client")
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, v.fail(fmt.Errorf("open build context %s: %w", name, err))
	}
	t, err := files.OpenTree(dir, nil)
	if err != nil {
		return nil, v.fail(fmt.Errorf("open build context %s: %w", name, err))
	}
	defer t.Close()
	patterns, err := readIgnore(t.Root().OpenFile(".dockerignore", openFlags, 0))
	if err != nil {
		return nil, v.fail(err)
	}
	if t.Ignore, err = patternmatcher.New(patterns); err != nil {
		return nil, v.fail(fmt.Errorf("read .dockerignore: %w", err))
	}
	p := &files.Copy{Verb: "context", Dest: "/", Warn: b.warn}
	if err := p.Add(t, ".", files.Options{}); err != nil {
		return nil, v.fail(err)
	}
	sum, err := p.Digest(b.ctx, nil)
	if err != nil {
		return nil, v.fail(err)
	}
	s := &stage{args: newArgScope()}
	err = b.snapshot(s, v, newKey("", "context", sum), func(d *overlay.Dir, lowers []string) error {
		return b.write(p, transfer{}, d, lowers)
	})
	return s.layers, err
}
