// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/opencontainers/go-digest"

	"coracle/pkg/dockerfile/files"
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
	link         bool  // the layer knows nothing of those below
	add          bool  // archives are unpacked, URLs fetched
	unpack       *bool // ADD --unpack
	checksum     string
}

func copyOf(c *instructions.CopyCommand) transfer {
	return transfer{
		SourcesAndDest: c.SourcesAndDest, code: c.String(), verb: "COPY", from: c.From, chown: c.Chown, chmod: c.Chmod,
		exclude: c.ExcludePatterns, parents: c.Parents, link: c.Link,
	}
}

func addOf(c *instructions.AddCommand) transfer {
	return transfer{
		SourcesAndDest: c.SourcesAndDest, code: c.String(), verb: "ADD", chown: c.Chown, chmod: c.Chmod,
		exclude: c.ExcludePatterns, link: c.Link, add: true, unpack: c.Unpack, checksum: c.Checksum,
	}
}

// copy is COPY and ADD.
func (b *builder) copy(s *stage, c transfer) error {
	v := b.tell.announce(s.title(s.args.shown(c.code, b.file.Escape)))
	if err := b.transfer(s, v, c); err != nil {
		return err
	}
	s.addHistory(c.history(), false)
	return nil
}

func (c transfer) history() string {
	text := c.verb
	if c.parents {
		text += " --parents"
	}
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
	p, err := b.newCopy(s, c)
	if err != nil {
		return v.fail(err)
	}
	key := []string{"copy", p.Dest, c.chown, c.chmod, strconv.FormatBool(c.link), b.epochKey()}
	if c.from != "" {
		return b.transferFrom(s, v, c, p, key)
	}
	if err := b.collect(p, c); err != nil {
		return v.fail(err)
	}
	sum, err := p.Digest(b.ctx, b.sums)
	if err != nil {
		return v.fail(err)
	}
	return b.snapshot(s, v, newKey(s.parent(), append(key, sum)...), func(d *overlay.Dir, lowers []string) error {
		return b.write(p, c, d, lowers)
	})
}

// transferFrom copies from a stage or an image. What that is made of is in the
// key, so nothing is mounted, or looked at, for a step that is in the cache.
func (b *builder) transferFrom(s *stage, v *vertex, c transfer, p *files.Copy, key []string) error {
	layers, err := b.sourceLayers(s, c.from)
	if err != nil {
		return v.fail(err)
	}
	top := ""
	if len(layers) > 0 {
		top = string(layers[len(layers)-1])
	}
	key = append(key, "from", top, strconv.FormatBool(c.parents), strconv.Itoa(len(c.exclude)))
	key = append(append(key, c.exclude...), strconv.Itoa(len(c.SourcePaths)))
	key = append(key, c.SourcePaths...)
	for _, h := range c.SourceContents {
		key = append(key, h.Path, h.Data)
	}
	return b.snapshot(s, v, newKey(s.parent(), key...), func(d *overlay.Dir, lowers []string) error {
		t, err := b.layersTree(layers)
		if err != nil {
			return err
		}
		for _, src := range c.SourcePaths {
			if err := p.Add(t, src, c.options()); err != nil {
				return err
			}
		}
		c.addTexts(p)
		return b.write(p, c, d, lowers)
	})
}

// write makes the copies: above the layers, or with --link in a layer that
// does not see them.
func (b *builder) write(p *files.Copy, c transfer, d *overlay.Dir, lowers []string) error {
	if c.link && p.Mode == nil {
		lowers = nil
	}
	t, err := b.mountUpper(d, lowers)
	if err != nil {
		return err
	}
	defer t.Close()
	return p.Write(b.ctx, t)
}

func (b *builder) newCopy(s *stage, c transfer) (*files.Copy, error) {
	if c.link && !files.NumericOwner(c.chown) {
		return nil, fmt.Errorf("--chown=%s: user and group names can't be resolved when used with --link, use numeric uid[:gid] instead", c.chown)
	}
	if err := c.checkChecksum(); err != nil {
		return nil, err
	}
	dest := absolute(s.image.Config.WorkingDir, c.DestPath)
	slash := strings.HasSuffix(c.DestPath, "/") || strings.HasSuffix(c.DestPath, "/.") || c.DestPath == "." || c.DestPath == ""
	if slash && dest != "/" {
		dest += "/"
	}
	mode, err := files.ParseMode(c.chmod)
	if err != nil {
		return nil, err
	}
	return &files.Copy{Verb: c.verb, Dest: dest, Chown: c.chown, Mode: mode, Time: b.epoch, Warn: b.warn}, nil
}

func (c transfer) checkChecksum() error {
	switch {
	case c.checksum == "":
		return nil
	case len(c.SourcePaths) != 1:
		return errors.New("checksum can't be specified for multiple sources")
	case !files.IsRemote(c.SourcePaths[0]):
		return errors.New("checksum requires HTTP(S) or Git sources")
	}
	_, err := digest.Parse(c.checksum)
	return err
}

func (c transfer) options() files.Options {
	return files.Options{Exclude: c.exclude, Parents: c.parents, Unpack: c.add && (c.unpack == nil || *c.unpack)}
}

func (c transfer) addTexts(p *files.Copy) {
	for _, h := range c.SourceContents {
		p.AddText(h.Path, h.Data)
	}
}

var errNoContext = errors.New("there is no build context: the Dockerfile was read from standard input")

// collect finds the sources in the context, downloads, and takes
// here-documents.
func (b *builder) collect(p *files.Copy, c transfer) error {
	for _, src := range c.SourcePaths {
		var err error
		switch {
		case files.IsRemote(src) && !c.add && files.IsGit(src):
			err = errors.New("source can't be a git ref for COPY")
		case files.IsRemote(src) && !c.add:
			err = errors.New("source can't be a URL for COPY")
		case files.IsRemote(src):
			err = b.addRemote(p, src, c)
		case b.context == nil:
			err = errNoContext
		default:
			err = p.Add(b.context, src, c.options())
		}
		if err != nil {
			return err
		}
	}
	c.addTexts(p)
	return nil
}

// addRemote fetches a URL into a temporary directory.
func (b *builder) addRemote(p *files.Copy, src string, c transfer) error {
	if files.IsGit(src) {
		return errors.New("ADD of git repositories is not supported")
	}
	dir, err := b.tempDir("add-")
	if err != nil {
		return err
	}
	t, err := p.Fetch(b.ctx, src, c.checksum, dir, c.unpack != nil && *c.unpack, func() { _ = os.RemoveAll(dir) })
	if t != nil {
		b.mu.Lock()
		b.trees = append(b.trees, t)
		b.mu.Unlock()
	}
	return err
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
	if i := b.file.StageOrNumber(from, s.index); i >= 0 {
		other, err := b.wait(i)
		if err != nil {
			return nil, err
		}
		return other.layers, nil
	}
	if from == "scratch" {
		return nil, nil
	}
	if b.file.StageOrNumber(from, len(b.file.Stages)) >= 0 {
		return nil, fmt.Errorf("cannot copy from stage %q, it needs to be defined before current stage %q", from, b.file.NameOf(s.index))
	}
	if n, err := strconv.Atoi(from); err == nil {
		return nil, fmt.Errorf("invalid stage index %d", n)
	}
	det, err := b.resolve(from, s.platform)
	return det.Layers, err
}
