// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/patternmatcher"

	"coracle/pkg/overlay"
)

// transfer is a COPY or an ADD.
type transfer struct {
	instructions.SourcesAndDest
	code         string // as it is shown
	verb         string
	from         string
	chown, chmod string
	exclude      []string
	parents      bool
	add          bool  // archives are unpacked, URLs fetched
	unpack       *bool // ADD --unpack
	checksum     string
}

func copyOf(c *instructions.CopyCommand) transfer {
	return transfer{
		SourcesAndDest: c.SourcesAndDest, code: c.String(), verb: "COPY", from: c.From, chown: c.Chown, chmod: c.Chmod,
		exclude: c.ExcludePatterns, parents: c.Parents,
	}
}

func addOf(c *instructions.AddCommand) transfer {
	return transfer{
		SourcesAndDest: c.SourcesAndDest, code: c.String(), verb: "ADD", chown: c.Chown, chmod: c.Chmod,
		exclude: c.ExcludePatterns, add: true, unpack: c.Unpack, checksum: c.Checksum,
	}
}

// item is a file or a directory to be copied.
type item struct {
	tree   *tree
	name   string // in the tree
	target string // below the destination; empty for the destination itself
	info   fs.FileInfo
	data   []byte // in place of a file in a tree
	unpack bool   // an archive
}

// plan is what a transfer copies, and where to.
type plan struct {
	items []item
	dest  string     // absolute
	isDir bool       // the destination is a directory, there or not
	mode  modeChange // nil: files keep theirs
	chown string
}

// copy is COPY and ADD.
func (b *builder) copy(s *stage, c transfer) error {
	v := b.tell.announce(s.title(s.args.shown(c.code, b.file.escape)))
	if err := b.transfer(s, v, c); err != nil {
		return err
	}
	s.addHistory(c.history(), false)
	return nil
}

func (c transfer) history() string {
	text := c.verb
	if c.chown != "" {
		text += " --chown=" + c.chown
	}
	if c.chmod != "" {
		text += " --chmod=" + c.chmod
	}
	names := append([]string(nil), c.SourcePaths...)
	for _, h := range c.SourceContents {
		names = append(names, "<<"+h.Path)
	}
	return fmt.Sprintf("%s %s %s # buildkit", text, strings.Join(names, " "), c.DestPath)
}

func (b *builder) transfer(s *stage, v *vertex, c transfer) error {
	p, err := newPlan(s, c)
	if err != nil {
		return v.fail(err)
	}
	key := []string{"copy", p.dest, strconv.FormatBool(p.isDir), c.chown, c.chmod}
	if c.from != "" {
		return b.transferFrom(s, v, c, p, key)
	}
	if err := b.collect(p, c); err != nil {
		return v.fail(err)
	}
	sum, err := p.digest(b.ctx, b.sums)
	if err != nil {
		return v.fail(err)
	}
	return b.snapshot(s, v, newKey(s.parent(), append(key, sum)...), func(d *overlay.Dir, lowers []string) error {
		return b.writePlan(p, d, lowers)
	})
}

// transferFrom copies from a stage or an image. What that is made of is in the
// key, so nothing is mounted, or looked at, for a step that is in the cache.
func (b *builder) transferFrom(s *stage, v *vertex, c transfer, p *plan, key []string) error {
	layers, err := b.sourceLayers(s, c.from)
	if err != nil {
		return v.fail(err)
	}
	top := ""
	if len(layers) > 0 {
		top = string(layers[len(layers)-1])
	}
	key = append(key, "from", top, strconv.FormatBool(c.parents), strconv.Itoa(len(c.exclude)))
	key = append(append(key, c.exclude...), c.SourcePaths...)
	for _, h := range c.SourceContents {
		key = append(key, "<<", h.Path, h.Data)
	}
	return b.snapshot(s, v, newKey(s.parent(), key...), func(d *overlay.Dir, lowers []string) error {
		t, err := b.layersTree(layers)
		if err != nil {
			return err
		}
		for _, src := range c.SourcePaths {
			if err := p.addSource(t, src, c); err != nil {
				return err
			}
		}
		p.addContents(c)
		return b.writePlan(p, d, lowers)
	})
}

func (b *builder) writePlan(p *plan, d *overlay.Dir, lowers []string) error {
	t, err := b.mountUpper(d, lowers)
	if err != nil {
		return err
	}
	defer t.close()
	return p.write(b.ctx, t)
}

func newPlan(s *stage, c transfer) (*plan, error) {
	count := len(c.SourcePaths) + len(c.SourceContents)
	base := path.Base(c.DestPath)
	slash := strings.HasSuffix(c.DestPath, "/") || base == "." || base == ".."
	if count > 1 && !slash {
		return nil, fmt.Errorf("When using %s with more than one source file, the destination must be a directory and end with a /", c.verb)
	}
	p := &plan{dest: absolute(s.image.Config.WorkingDir, c.DestPath), isDir: slash || c.parents, chown: c.chown}
	var err error
	p.mode, err = parseMode(c.chmod)
	return p, err
}

var errNoContext = errors.New("there is no build context: the Dockerfile was read from standard input")

// collect finds the sources in the context, downloads, and takes
// here-documents.
func (b *builder) collect(p *plan, c transfer) error {
	for _, src := range c.SourcePaths {
		var err error
		switch {
		case c.add && isRemote(src):
			err = b.addRemote(p, src, c)
		case b.context == nil:
			err = errNoContext
		default:
			err = p.addSource(b.context, src, c)
		}
		if err != nil {
			return err
		}
	}
	p.addContents(c)
	return nil
}

// addContents adds the here-documents.
func (p *plan) addContents(c transfer) {
	for _, h := range c.SourceContents {
		p.items = append(p.items, item{target: path.Base(h.Path), data: []byte(h.Data)})
	}
}

// addSource adds what one source stands for. With --parents, what follows
// "/./" is the part of the path that is kept.
func (p *plan) addSource(t *tree, src string, c transfer) error {
	skip, err := patternmatcher.New(c.exclude)
	if err != nil {
		return fmt.Errorf("invalid --exclude: %w", err)
	}
	above := "."
	if before, _, ok := strings.Cut(src, "/./"); ok && c.parents {
		above = inTree(before)
	}
	names, err := t.find(src)
	if err != nil {
		return err
	}
	if len(names) > 1 {
		p.isDir = true
	}
	for _, name := range names {
		info, err := t.root.Lstat(name)
		if err != nil {
			return err
		}
		if !info.IsDir() {
			base := path.Base(name)
			if !hasWildcard(src) {
				base = path.Base(path.Clean("/" + src)) // a link's own name
			}
			if out, err := skip.MatchesOrParentMatches(base); out || err != nil {
				continue
			}
			if c.parents {
				base = below(above, name)
			}
			archive := c.add && (c.unpack == nil || *c.unpack) && isArchive(t, name)
			p.items = append(p.items, item{tree: t, name: name, target: base, info: info, unpack: archive})
			continue
		}
		p.isDir = true
		err = t.walk(name, skip, func(found string, info fs.FileInfo) {
			target := below(name, found)
			if c.parents {
				target = below(above, found)
			}
			p.items = append(p.items, item{tree: t, name: found, target: target, info: info})
		})
		if err != nil {
			return fmt.Errorf("walk %s: %w", src, err)
		}
	}
	return nil
}

// below is the path of name from dir on, and empty for dir itself.
func below(dir, name string) string {
	switch dir {
	case name:
		return ""
	case ".":
		return name
	}
	return strings.TrimPrefix(name, dir+"/")
}

// sourceLayers are the layers that --from means: of a stage, or of an image.
func (b *builder) sourceLayers(s *stage, from string) ([]overlay.LayerID, error) {
	if strings.Contains(from, "$") {
		return nil, fmt.Errorf("variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround")
	}
	if given, ok := b.named(from); ok && given.Image == "" {
		return b.contextLayers(from, given.Dir)
	} else if ok {
		det, err := b.resolve(given.Image, s.platform)
		return det.Layers, err
	}
	if i := b.file.stageOrNumber(from, s.index); i >= 0 {
		other, err := b.wait(i)
		if err != nil {
			return nil, err
		}
		return other.layers, nil
	}
	if from == "scratch" {
		return nil, nil
	}
	if b.file.stageOrNumber(from, len(b.file.stages)) >= 0 {
		return nil, fmt.Errorf("cannot copy from stage %q, it needs to be defined before current stage %q", from, b.file.nameOf(s.index))
	}
	if n, err := strconv.Atoi(from); err == nil {
		return nil, fmt.Errorf("invalid stage index %d", n)
	}
	det, err := b.resolve(from, s.platform)
	return det.Layers, err
}

// digest is of everything that decides what is written. Times do not count:
// they are another with each checkout.
func (p *plan) digest(ctx context.Context, known *sums) (string, error) {
	sum := sha256.New()
	for _, it := range p.items {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		if it.info == nil {
			fmt.Fprintf(sum, "data %q %x\n", it.target, sha256.Sum256(it.data))
			continue
		}
		fmt.Fprintf(sum, "%q %v %t ", it.target, it.info.Mode(), it.unpack)
		switch {
		case it.info.Mode()&fs.ModeSymlink != 0:
			link, err := it.tree.root.Readlink(it.name)
			if err != nil {
				return "", err
			}
			fmt.Fprintf(sum, "%q\n", link)
		case it.info.Mode().IsRegular():
			content, err := known.sum(it)
			if err != nil {
				return "", fmt.Errorf("failed to compute cache key: %w", err)
			}
			fmt.Fprintf(sum, "%s\n", content)
		default:
			fmt.Fprintln(sum)
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
