// SPDX-License-Identifier: Apache-2.0

package files

import (
	"errors"
	"io/fs"
	"path"
	"syscall"

	"github.com/moby/patternmatcher"
)

// item is a file or a directory of a source.
type item struct {
	name   string // in the tree
	rel    string // below the source; empty for the source itself
	info   fs.FileInfo
	parent bool   // a directory that is only there for what is in it
	hard   string // rel of an earlier item that is the same file, or empty
}

// filter says what of a directory is copied. Its patterns are for names below
// the directory.
type filter struct {
	include, exclude *patternmatcher.PatternMatcher // or nil
	within           []string                       // directories that all that is included is below, outermost first
}

// walk lists what is in a directory and not ignored, parents first, in the
// order of names.
func (t *Tree) walk(start string, f filter) ([]item, error) {
	w := walker{t: t, f: f, links: map[inode]string{}}
	err := w.dir(start, "", 0, patternmatcher.MatchInfo{}, patternmatcher.MatchInfo{})
	return w.items, err
}

type inode struct{ dev, ino uint64 }

type walker struct {
	t     *Tree
	f     filter
	items []item
	above []item // directories that we are in, not listed yet
	links map[inode]string
}

func (w *walker) dir(name, rel string, depth int, include, exclude patternmatcher.MatchInfo) error {
	entries, err := fs.ReadDir(w.t.root.FS(), name)
	if errors.Is(err, fs.ErrNotExist) && depth > 0 {
		return nil // gone meanwhile
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if depth < len(w.f.within) && e.Name() != w.f.within[depth] {
			continue
		}
		err := w.entry(path.Join(name, e.Name()), path.Join(rel, e.Name()), e, depth, include, exclude)
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) entry(name, rel string, e fs.DirEntry, depth int, include, exclude patternmatcher.MatchInfo) error {
	hidden := w.t.ignored(name)
	if hidden && (!e.IsDir() || !w.t.Ignore.Exclusions()) {
		return nil
	}
	in, include, err := matches(w.f.include, rel, include, true)
	if err != nil {
		return err
	}
	out, exclude, err := matches(w.f.exclude, rel, exclude, false)
	if err != nil || out && (!e.IsDir() || !w.f.exclude.Exclusions()) || !in && !e.IsDir() {
		return err
	}
	info, err := e.Info()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	it := item{name: name, rel: rel, info: info, parent: !in || out}
	if !e.IsDir() {
		w.list(it)
		return nil
	}
	if !it.parent && !hidden {
		w.list(it)
	} else {
		w.above = append(w.above, it)
	}
	pending, listed := len(w.above), len(w.items)
	if err := w.dir(name, rel, depth+1, include, exclude); err != nil {
		return err
	}
	if len(w.items) == listed && (it.parent || hidden) {
		w.above = w.above[:pending-1] // nothing in it
	}
	return nil
}

// list adds an item, and before it the directories that it is in.
func (w *walker) list(it item) {
	w.items = append(append(w.items, w.above...), it)
	w.above = w.above[:0]
	st, ok := it.info.Sys().(*syscall.Stat_t)
	if !ok || !it.info.Mode().IsRegular() || st.Nlink < 2 {
		return
	}
	key := inode{st.Dev, st.Ino}
	if first, ok := w.links[key]; ok {
		w.items[len(w.items)-1].hard = first
	} else {
		w.links[key] = it.rel
	}
}

// matches reports whether patterns match a name, when they did what they did
// for its directory. Without patterns the answer is or.
func matches(m *patternmatcher.PatternMatcher, rel string, above patternmatcher.MatchInfo, or bool) (bool, patternmatcher.MatchInfo, error) {
	if m == nil {
		return or, above, nil
	}
	return m.MatchesUsingParentResults(rel, above)
}
