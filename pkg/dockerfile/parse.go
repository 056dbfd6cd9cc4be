// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/util/suggest"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"coracle/pkg/dockerfile/files"
)

// file is a parsed Dockerfile.
type file struct {
	name   string // as it is shown
	source []byte
	escape rune
	stages []instructions.Stage
}

// load reads the Dockerfile, the ignore file and the context.
func (b *builder) load() error {
	v := b.tell.start("[internal] load build definition from " + shownFile(b.o.Dockerfile))
	source, err := b.readDockerfile()
	if err != nil {
		return v.fail(err)
	}
	v.status(fmt.Sprintf("transferring dockerfile: %dB done", len(source)))
	v.finish()
	b.file = &file{name: shownFile(b.o.Dockerfile), source: source}
	res, err := parser.Parse(bytes.NewReader(source))
	if err != nil {
		return fmt.Errorf("dockerfile parse error: %w", err)
	}
	b.file.escape = res.EscapeToken
	if b.file.stages, b.meta, err = instructions.Parse(res.AST, nil); err != nil {
		return parseError(err)
	}
	if len(b.file.stages) == 0 {
		return errors.New("dockerfile contains no stages to build")
	}
	if b.metaVar, err = b.metaArgs(); err != nil {
		return err
	}
	if b.epoch, err = b.sourceDateEpoch(); err != nil {
		return err
	}
	return b.openContext()
}

// openContext opens the directory that COPY reads, without what .dockerignore
// names. DOCKERFILE.dockerignore, beside the Dockerfile, counts before it.
func (b *builder) openContext() error {
	v := b.tell.start("[internal] load .dockerignore")
	if b.context == nil && b.o.ContextDir == "" {
		v.finish()
		return nil
	}
	if b.context == nil {
		t, err := files.OpenTree(b.o.ContextDir, nil)
		if err != nil {
			return v.fail(fmt.Errorf("open build context: %w", err))
		}
		b.context = t
	}
	t := b.context
	patterns, err := readIgnore(b.openIgnoreFile())
	if err != nil {
		return v.fail(err)
	}
	if t.Ignore, err = patternmatcher.New(patterns); err != nil {
		return v.fail(fmt.Errorf("read .dockerignore: %w", err))
	}
	if b.o.ContextDir != "" { // what an archive had is gone after the build
		b.sums = files.LoadSums(b.st.Dirs().BuildCache(), t.Path())
		t.Sums = b.sums
	}
	v.finish()
	return nil
}

// readIgnore reads an ignore file that has been opened, or was not there.
func readIgnore(f *os.File, err error) ([]string, error) {
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read .dockerignore: %w", err)
	}
	defer f.Close()
	data, err := readBounded(f)
	var patterns []string
	if err == nil {
		patterns, err = ignorefile.ReadAll(bytes.NewReader(data))
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", shownFile(f.Name()), err)
	}
	return patterns, nil
}

func (b *builder) openIgnoreFile() (*os.File, error) {
	var f *os.File
	err := os.ErrNotExist
	switch {
	case b.o.Source == nil:
		f, err = os.OpenFile(b.o.Dockerfile+".dockerignore", openFlags, 0)
	case b.o.ContextDir == "":
		f, err = b.context.Root().OpenFile(files.InTree(b.o.Dockerfile+".dockerignore"), openFlags, 0)
	}
	if errors.Is(err, os.ErrNotExist) {
		f, err = b.context.Root().OpenFile(".dockerignore", openFlags, 0)
	}
	return f, err
}

// stage finds a stage by name or number among those before limit, or returns
// -1. The last of one name counts.
func (f *file) stage(name string, limit int) int {
	for i := limit - 1; i >= 0; i-- {
		if strings.EqualFold(f.stages[i].Name, name) && f.stages[i].Name != "" {
			return i
		}
	}
	return -1
}

// stageOf finds a stage that FROM names, unless --build-context has the name.
func (b *builder) stageOf(name string, limit int) int {
	if _, ok := b.named(name); ok {
		return -1
	}
	return b.file.stage(name, limit)
}

// stageOrNumber also takes the number of a stage, as COPY --from does.
func (f *file) stageOrNumber(name string, limit int) int {
	if i := f.stage(name, limit); i >= 0 {
		return i
	}
	if n, err := strconv.Atoi(name); err == nil && n >= 0 && n < limit {
		return n
	}
	return -1
}

// nameOf is what a stage is called in messages.
func (f *file) nameOf(i int) string {
	if name := f.stages[i].Name; name != "" {
		return name
	}
	return fmt.Sprintf("stage-%d", i)
}

// target finds the stage to be built; as for BuildKit it is named, not numbered.
func (f *file) target(name string) (int, error) {
	if name == "" {
		return len(f.stages) - 1, nil
	}
	if i := f.stage(name, len(f.stages)); i >= 0 {
		return i, nil
	}
	var names []string
	for i := range f.stages {
		names = append(names, f.nameOf(i))
	}
	return 0, suggest.WrapError(fmt.Errorf("target stage %q could not be found", name), name, names, true)
}

// needed finds the stages that the target is made of.
func (b *builder) needed(target int) (map[int]bool, error) {
	need := map[int]bool{target: true}
	for i := target; i >= 0; i-- {
		if !need[i] {
			continue
		}
		src := b.file.stages[i]
		base, err := b.expandMeta(src.BaseName)
		if err != nil {
			return nil, withLocation(err, src.Location)
		}
		if _, ok := b.named(src.Name); ok {
			continue
		}
		if j := b.stageOf(base, i); j >= 0 {
			need[j] = true
		}
		for _, cmd := range src.Commands {
			for _, from := range sourcesOf(cmd) {
				if _, ok := b.named(from); ok {
					continue
				}
				if j := b.file.stageOrNumber(from, i); j >= 0 {
					need[j] = true
				}
			}
		}
	}
	return need, nil
}

// sourcesOf are the stages and images that an instruction reads.
func sourcesOf(cmd instructions.Command) []string {
	switch c := cmd.(type) {
	case *instructions.CopyCommand:
		if c.From != "" {
			return []string{c.From}
		}
	case *instructions.RunCommand:
		// Mounts are known after expansion; without variables that is now.
		if err := c.Expand(func(word string) (string, error) { return word, nil }); err != nil {
			return nil
		}
		var list []string
		for _, m := range instructions.GetMounts(c) {
			if m.From != "" {
				list = append(list, m.From)
			}
		}
		return list
	}
	return nil
}

// parseTrigger parses an ONBUILD instruction of a base image.
func parseTrigger(text string) (instructions.Command, error) {
	res, err := parser.Parse(strings.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("parse ONBUILD trigger %q: %w", text, err)
	}
	if len(res.AST.Children) != 1 {
		return nil, fmt.Errorf("parse ONBUILD trigger %q: want one instruction", text)
	}
	cmd, err := instructions.ParseCommand(res.AST.Children[0])
	if err != nil {
		return nil, fmt.Errorf("parse ONBUILD trigger %q: %w", text, err)
	}
	return cmd, nil
}

// changeCommands are the instructions that --change takes, as in Docker.
var changeCommands = []string{
	"cmd", "entrypoint", "env", "expose", "healthcheck", "label", "onbuild", "stopsignal", "user", "volume", "workdir",
}

// Configure applies instructions that only change the configuration, those of
// commit and import --change. Its texts are Docker's.
func Configure(image *Image, changes []string) error {
	if len(changes) == 0 {
		return nil
	}
	res, err := parser.Parse(strings.NewReader(strings.Join(changes, "\n")))
	if err != nil {
		return err
	}
	var cmds []instructions.Command
	for _, n := range res.AST.Children {
		if !slices.Contains(changeCommands, strings.ToLower(n.Value)) {
			return fmt.Errorf("%s is not a valid change command", n.Value)
		}
	}
	for _, n := range res.AST.Children {
		cmd, err := instructions.ParseCommand(n)
		if err != nil {
			return err
		}
		cmds = append(cmds, cmd)
	}
	s := &stage{image: image.DockerOCIImage, args: newArgScope()}
	s.args.adopt(s.image.Config.Env)
	for _, cmd := range cmds {
		if ex, ok := cmd.(instructions.SupportsSingleWordExpansion); ok {
			if err := ex.Expand(s.args.expand(res.EscapeToken)); err != nil {
				return err
			}
		}
		if err := configure(s, cmd, res.EscapeToken); err != nil {
			return err
		}
	}
	image.DockerOCIImage = s.image
	return nil
}
