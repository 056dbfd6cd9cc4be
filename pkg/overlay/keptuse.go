// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// KeptCopies is the number of copies that a layer has for --userns keep-id, by the
// directory of its files.
func KeptCopies(layer string) int {
	n := 0
	for _, c := range keptCopies(filepath.Dir(layer)) {
		if !strings.HasSuffix(c, ".part") {
			n++
		}
	}
	return n
}

// keptCopies are the places of copies beside a layer, with what was not finished.
func keptCopies(dir string) (places []string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), keptPrefix) {
			places = append(places, filepath.Join(dir, e.Name()))
		}
	}
	return places
}

// DropKept removes the copies of all layers but those that needed returns, which is
// asked under the lock, and returns how many each layer had.
func (s *Store) DropKept(ctx context.Context, needed func() (map[LayerID]bool, error)) (map[LayerID]int, error) {
	lock, err := s.lockImages(ctx)
	if err != nil {
		return nil, err
	}
	defer lock.Release()
	keep, err := needed()
	if err != nil {
		return nil, err
	}
	layers, err := s.lib.Layers()
	if err != nil {
		return nil, fmt.Errorf("list layers: %w", err)
	}
	dropped := map[LayerID]int{}
	for _, l := range layers {
		id := LayerID(l.ID)
		files := diffDir(s.dirs, id)
		if n := KeptCopies(files); !keep[id] && len(keptCopies(filepath.Dir(files))) > 0 {
			if err := dropCopies(filepath.Dir(files)); err != nil {
				return dropped, fmt.Errorf("remove copies of layer %.12s: %w", id, err)
			}
			dropped[id] = n
		}
	}
	return dropped, nil
}

func dropCopies(dir string) error {
	place, err := lockPlace(dir)
	if err != nil {
		return err
	}
	for _, c := range keptCopies(dir) {
		err = errors.Join(err, os.RemoveAll(c))
	}
	return errors.Join(err, place.Close())
}
