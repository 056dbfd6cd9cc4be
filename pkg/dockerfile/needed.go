// SPDX-License-Identifier: Apache-2.0

package dockerfile

import "coracle/pkg/dockerfile/parse"

// stageOf finds a stage that FROM names, unless --build-context has the name.
func (b *builder) stageOf(name string, limit int) int {
	if _, ok := b.named(name); ok {
		return -1
	}
	return b.file.Stage(name, limit)
}

// needed finds the stages that the target is made of.
func (b *builder) needed(target int) (map[int]bool, error) {
	need := map[int]bool{target: true}
	for i := target; i >= 0; i-- {
		if !need[i] {
			continue
		}
		src := b.file.Stages[i]
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
			for _, from := range parse.Sources(cmd) {
				if _, ok := b.named(from); ok {
					continue
				}
				if j := b.file.StageOrNumber(from, i); j >= 0 {
					need[j] = true
				}
			}
		}
	}
	return need, nil
}
