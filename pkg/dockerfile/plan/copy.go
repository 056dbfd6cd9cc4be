// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// Copy is a COPY or an ADD. What its words for modes, owners and URLs mean is
// checked by who carries it out.
type Copy struct {
	instructions.SourcesAndDest
	Verb         string
	Dest         string  // absolute, with a slash at its end when it is to be a directory
	From         *Vertex // where the sources are; nil means the context
	Chown, Chmod string
	Exclude      []string
	Parents      bool
	Link         bool  // the layer knows nothing of those below
	Add          bool  // archives are unpacked, URLs fetched
	Unpack       *bool // ADD --unpack
	Checksum     string

	epoch string
}

func copyOf(c *instructions.CopyCommand) Copy {
	return Copy{
		SourcesAndDest: c.SourcesAndDest, Verb: "COPY", Chown: c.Chown, Chmod: c.Chmod,
		Exclude: c.ExcludePatterns, Parents: c.Parents, Link: c.Link,
	}
}

func addOf(c *instructions.AddCommand) Copy {
	return Copy{
		SourcesAndDest: c.SourcesAndDest, Verb: "ADD", Chown: c.Chown, Chmod: c.Chmod,
		Exclude: c.ExcludePatterns, Link: c.Link, Add: true, Unpack: c.Unpack, Checksum: c.Checksum,
	}
}

// Key is made of the digest of what is copied, or of what the sources' layers
// are: nothing is mounted, or looked at, for a step that is in the cache.
func (c Copy) Key(f Facts) []string {
	key := []string{"copy", c.Dest, c.Chown, c.Chmod, strconv.FormatBool(c.Link), c.epoch}
	if c.From == nil {
		return append(key, f.Files...)
	}
	top := ""
	if layers := f.Layers(c.From); len(layers) > 0 {
		top = layers[len(layers)-1]
	}
	key = append(key, "from", top, strconv.FormatBool(c.Parents), strconv.Itoa(len(c.Exclude)))
	key = append(append(key, c.Exclude...), strconv.Itoa(len(c.SourcePaths)))
	key = append(key, c.SourcePaths...)
	for _, h := range c.SourceContents {
		key = append(key, h.Path, h.Data)
	}
	return key
}

func (c Copy) String() string {
	text := fmt.Sprintf("%s %q to %q", strings.ToLower(c.Verb), c.names(), c.Dest)
	if c.Link {
		text += " linked"
	}
	return text
}

// copy is COPY and ADD.
func (m *maker) copy(s *stage, c Copy, from string, cmd instructions.Command) error {
	c.Dest, c.epoch = destination(s.image.Config.WorkingDir, c.DestPath), EpochKey(m.epoch)
	var inputs []*Vertex
	if from != "" {
		v, err := m.source(s, from, cmd.Location())
		if err != nil {
			return err
		}
		c.From, inputs = v, []*Vertex{v}
	}
	m.step(s, s.args.shown(fmt.Sprint(cmd), m.in.File.Escape), c, cmd.Location(), inputs...)
	s.addHistory(c.history(), false)
	return nil
}

// destination is where a copy goes, from a working directory.
func destination(dir, to string) string {
	dest := absolute(dir, to)
	slash := strings.HasSuffix(to, "/") || strings.HasSuffix(to, "/.") || to == "." || to == ""
	if slash && dest != "/" {
		dest += "/"
	}
	return dest
}

// names are the sources, and the here-documents.
func (c Copy) names() []string {
	names := append([]string(nil), c.SourcePaths...)
	for _, h := range c.SourceContents {
		names = append(names, "<<"+h.Path)
	}
	return names
}

func (c Copy) history() string {
	text := c.Verb
	if c.Parents {
		text += " --parents"
	}
	if c.Chown != "" {
		text += " --chown=" + c.Chown
	}
	if c.Chmod != "" {
		text += " --chmod=" + c.Chmod
	}
	return fmt.Sprintf("%s %s %s # buildkit", text, strings.Join(c.names(), " "), c.DestPath)
}
