// SPDX-License-Identifier: Apache-2.0

package parse

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/util/suggest"
)

// Stage finds a stage by name among those before limit, or returns -1. The last
// of one name counts.
func (f *File) Stage(name string, limit int) int {
	for i := limit - 1; i >= 0; i-- {
		if strings.EqualFold(f.Stages[i].Name, name) && f.Stages[i].Name != "" {
			return i
		}
	}
	return -1
}

// StageOrNumber also takes the number of a stage, as COPY --from does.
func (f *File) StageOrNumber(name string, limit int) int {
	if i := f.Stage(name, limit); i >= 0 {
		return i
	}
	if n, err := strconv.Atoi(name); err == nil && n >= 0 && n < limit {
		return n
	}
	return -1
}

// NameOf is what a stage is called in messages.
func (f *File) NameOf(i int) string {
	if name := f.Stages[i].Name; name != "" {
		return name
	}
	return fmt.Sprintf("stage-%d", i)
}

// Target finds the stage to be built; as for BuildKit it is named, not numbered.
func (f *File) Target(name string) (int, error) {
	if name == "" {
		return len(f.Stages) - 1, nil
	}
	if i := f.Stage(name, len(f.Stages)); i >= 0 {
		return i, nil
	}
	var names []string
	for i := range f.Stages {
		names = append(names, f.NameOf(i))
	}
	return 0, suggest.WrapError(fmt.Errorf("target stage %q could not be found", name), name, names, true)
}

// Sources are the stages and images that an instruction reads, as it names
// them. BuildKit allows no variables there, so that they are known from the
// text alone.
func Sources(cmd instructions.Command) []string {
	switch c := cmd.(type) {
	case *instructions.CopyCommand:
		if c.From != "" {
			return []string{c.From}
		}
	case *instructions.RunCommand:
		// The mounts' other words may have variables; here they do not count.
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
