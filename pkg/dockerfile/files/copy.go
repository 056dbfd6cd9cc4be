// SPDX-License-Identifier: Apache-2.0

package files

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/moby/patternmatcher"
)

// Copy is what one COPY or ADD copies, and how.
type Copy struct {
	Verb  string     // COPY or ADD, for messages
	Dest  string     // absolute; with a slash at its end it is a directory
	Chown string     // empty: copies of an image's files keep their owners
	Mode  *Mode      // nil: copies keep theirs
	Time  *time.Time // nil: copies keep theirs, what is new is from now
	// Itself makes the destination a copy of a source that is a directory, when
	// it is not there; for COPY it is a new directory.
	Itself bool
	// Warn is told of what cannot be copied, or nil.
	Warn func(text string)

	sources []source
}

// Options are those of one source.
type Options struct {
	Exclude []string // patterns of names below the source
	Parents bool     // directories on the way belong to the copy
	Unpack  bool     // if it is an archive
}

// source is a file or a directory to be copied.
type source struct {
	tree   *Tree
	name   string // in the tree, after all links
	base   string // what it is called in a directory
	info   fs.FileInfo
	text   []byte // in place of a file of a tree
	unpack bool
	below  []item // of a directory
}

func (s *source) isDir() bool { return s.info != nil && s.info.IsDir() }

// Add adds what a path in a tree stands for.
func (c *Copy) Add(t *Tree, src string, o Options) error {
	if o.Parents {
		return c.addParents(t, src, o)
	}
	skip, err := patterns(o.Exclude)
	if err != nil {
		return fmt.Errorf("invalid --exclude: %w", err)
	}
	names, err := t.match(src)
	if err != nil {
		return err
	}
	for _, name := range names {
		s := source{tree: t, base: path.Base(name)}
		if s.name, s.info, err = t.Find(name); err != nil {
			return err
		}
		if s.isDir() {
			if s.below, err = t.walk(s.name, filter{exclude: skip}); err != nil {
				return fmt.Errorf("walk %s: %w", src, err)
			}
		}
		s.unpack = o.Unpack && isArchive(t, s.name, s.info)
		c.sources = append(c.sources, s)
	}
	return nil
}

// addParents adds what a path, or a pattern with "**" for any directories,
// finds below a directory: the root, or what stands before "/./".
func (c *Copy) addParents(t *Tree, src string, o Options) error {
	from, pattern, ok := strings.Cut(src, "/./")
	if !ok {
		from, pattern = "/", src
	}
	from, pattern = InTree(from), InTree(pattern)
	skip, err := patterns(o.Exclude)
	if err != nil {
		return fmt.Errorf("invalid --exclude: %w", err)
	}
	f := filter{exclude: skip, within: literal(pattern)}
	if f.include, err = patternmatcher.New([]string{pattern}); err != nil {
		return fmt.Errorf("match %s: %w", src, err)
	}
	names, err := t.match(from)
	if err != nil {
		return err
	}
	found := false
	for _, name := range names {
		s := source{tree: t, base: path.Base(name)}
		if s.name, s.info, err = t.Find(name); err != nil {
			return &fs.PathError{Op: "lstat", Path: path.Join("/", name), Err: syscall.ENOENT}
		}
		if s.isDir() {
			if s.below, err = t.walk(s.name, f); err != nil {
				return fmt.Errorf("walk %s: %w", src, err)
			}
		}
		found = found || len(s.below) > 0
		c.sources = append(c.sources, s)
	}
	if !found && !hasWildcard(from) && !hasWildcard(pattern) {
		return &NotFoundError{Name: path.Join(from, pattern)}
	}
	return nil
}

// literal is the directories that a pattern names before its first wildcard.
func literal(pattern string) []string {
	parts := strings.Split(pattern, "/")
	for i, p := range parts {
		if strings.ContainsAny(p, `*?[\!`) {
			return parts[:i]
		}
	}
	return parts
}

func patterns(list []string) (*patternmatcher.PatternMatcher, error) {
	if len(list) == 0 {
		return nil, nil
	}
	return patternmatcher.New(list)
}

// AddText adds a file that the Dockerfile has the text of.
func (c *Copy) AddText(name, text string) {
	c.sources = append(c.sources, source{base: path.Base(name), text: []byte(text)})
}

// AddFile adds a file of a tree under a name.
func (c *Copy) AddFile(t *Tree, name, base string, unpack bool) error {
	info, err := t.root.Lstat(name)
	if err != nil {
		return err
	}
	c.sources = append(c.sources, source{tree: t, name: name, base: base, info: info, unpack: unpack && isArchive(t, name, info)})
	return nil
}

// AddArchive adds what an archive has; it is one whatever is in it.
func (c *Copy) AddArchive(t *Tree, name string) error {
	info, err := t.root.Lstat(name)
	c.sources = append(c.sources, source{tree: t, name: name, info: info, unpack: true})
	return err
}

// Unpacks reports whether a source is an archive: its links may be to files that are
// there, and what it says of them counts.
func (c *Copy) Unpacks() bool {
	return slices.ContainsFunc(c.sources, func(s source) bool { return s.unpack })
}

// IsDir reports whether there is one source, and it is a directory.
func (c *Copy) IsDir() bool { return len(c.sources) == 1 && c.sources[0].isDir() }

// Digest is of everything that decides what is written. Times do not count:
// they are another with each checkout.
func (c *Copy) Digest(ctx context.Context, known *Sums) (string, error) {
	sum := sha256.New()
	for _, s := range c.sources {
		if s.info == nil {
			fmt.Fprintf(sum, "text %q %x\n", s.base, sha256.Sum256(s.text))
			continue
		}
		fmt.Fprintf(sum, "source %q %t\n", s.base, s.unpack)
		for _, it := range append([]item{{name: s.name, info: s.info}}, s.below...) {
			if err := ctx.Err(); err != nil {
				return "", err
			}
			if err := describe(ctx, sum, s.tree, it, known); err != nil {
				return "", fmt.Errorf("failed to compute cache key: %w", err)
			}
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

func describe(ctx context.Context, w io.Writer, t *Tree, it item, known *Sums) error {
	fmt.Fprintf(w, "%q %v %t %q ", it.rel, it.info.Mode(), it.parent, it.hard)
	text := ""
	var err error
	switch {
	case it.info.Mode()&fs.ModeSymlink != 0:
		text, err = t.root.Readlink(it.name)
	case it.info.Mode().IsRegular():
		text, err = known.sum(ctx, t, it)
	case it.info.IsDir():
		text, err = attributesOf(t, it.name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%q has gone meanwhile", "/"+it.name)
	}
	fmt.Fprintf(w, "%q\n", text)
	return err
}
