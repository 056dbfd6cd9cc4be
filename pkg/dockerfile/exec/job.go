// SPDX-License-Identifier: Apache-2.0

package exec

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"coracle/pkg/dockerfile/cache"
	"coracle/pkg/overlay"
)

// Job is what all parts of one build share.
type Job struct {
	Ctx    context.Context
	Cancel context.CancelFunc // ends the build
	Store  *overlay.Store
	Tell   *Teller
	Trees  *Trees
	Cache  *cache.Cache

	mu       sync.Mutex
	warnings []string
}

// Warn keeps a warning for the end; each is said once.
func (j *Job) Warn(text string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !slices.Contains(j.warnings, text) {
		j.warnings = append(j.warnings, text)
	}
}

// Warnings are those that there were.
func (j *Job) Warnings() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.warnings
}

// Commit makes a layer of a directory.
func (j *Job) Commit(d *overlay.Dir, parent overlay.LayerID, lowers []string) (overlay.LayerID, error) {
	staged, err := j.Store.StageDir(j.Ctx, d, lowers)
	if err != nil {
		return "", err
	}
	for _, name := range staged.Reserved {
		j.Warn(fmt.Sprintf("/%s was left out: in a layer, names that begin with .wh. stand for what is removed", name))
	}
	return j.Store.Commit(staged, parent, nil)
}
