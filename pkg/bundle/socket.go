// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"fmt"
	"os"
	"path/filepath"

	"coracle/pkg/wire/socket"
)

// listen makes the socket that the first process waits at. Whoever may look
// into the state directory, which is its owner, may give the word.
func listen(path string) (*os.File, error) {
	dir, err := socket.OpenDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	l, err := socket.Listen(dir, filepath.Base(path))
	if err != nil {
		return nil, err
	}
	defer l.Close()
	f, err := l.File()
	if err != nil {
		return nil, fmt.Errorf("listen at %s: %w", path, err)
	}
	return f, nil
}
