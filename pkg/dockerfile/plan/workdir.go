// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// Workdir makes a directory that may be there, with those above it.
type Workdir struct {
	Dir   string // absolute
	User  string // to whom it belongs, as the USER of RUN; or empty
	epoch string
}

// Key is made of the path and the owner. The root directory is always there.
func (w Workdir) Key(Facts) []string {
	if w.Dir == "/" {
		return nil
	}
	key := []string{"workdir", w.Dir}
	if w.User != "" || w.epoch != "" {
		key = append(key, w.User, w.epoch)
	}
	return key
}

func (w Workdir) String() string { return fmt.Sprintf("workdir %q user %q", w.Dir, w.User) }

// workdir is WORKDIR. The directory is made when it is not there, as a layer,
// and belongs to the user that RUN has; so do those above it that are made.
func (m *maker) workdir(s *stage, c *instructions.WorkdirCommand) {
	dir := absolute(s.image.Config.WorkingDir, c.Path)
	s.image.Config.WorkingDir = dir
	m.step(s, c.String(), Workdir{dir, s.image.Config.User, EpochKey(m.epoch)}, c.Location())
	s.addHistory("WORKDIR "+dir, dir == "/")
}
