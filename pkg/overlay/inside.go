// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"coracle/pkg/ids"
	"coracle/pkg/state"
)

// OpenInside opens the store below d, with the ids that this process's user
// namespace has.
//
// Preconditions: as for [Open].
func OpenInside(d state.Dirs) (*Store, error) {
	if ids.Alone() {
		return Open(d, Options{SingleID: true})
	}
	maps, err := ids.Current()
	if err != nil {
		return nil, err
	}
	return Open(d, Options{SingleID: maps.Single()})
}
