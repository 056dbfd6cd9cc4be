// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"coracle/pkg/overlay"
	"coracle/pkg/state"
)

// mountType is BuildKit's word for what a cache mount has left.
const mountType = "exec.cachemount"

// Record is what one step, or one RUN --mount=type=cache, has left in the
// build cache.
type Record struct {
	ID      string // 64 hex digits of the step's key, or the mount's directory
	Type    string // regular or exec.cachemount, as BuildKit has it
	Size    int64  // bytes
	Created time.Time
	Used    time.Time // when a build last wrote it
	Shared  bool      // an image has the layer, too: forgetting the step frees nothing
}

// Use returns what is in the build cache, the oldest first.
func Use(st *overlay.Store) ([]Record, error) {
	layers, err := st.Usage()
	if err != nil {
		return nil, err
	}
	dir := st.Dirs().BuildCache()
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read build cache: %w", err)
	}
	var list []Record
	for _, e := range entries {
		key, ok := strings.CutSuffix(e.Name(), ".json")
		var r record
		if !ok || state.ReadJSON(filepath.Join(dir, e.Name()), &r) != nil || layers[r.Layer] == nil {
			continue
		}
		l := layers[r.Layer]
		c := Record{ID: key, Type: "regular", Size: l.Size, Created: r.Created, Used: r.Created, Shared: len(l.Images) > 0}
		if c.Created.IsZero() {
			c.Created, c.Used = l.Created, l.Created
		}
		list = append(list, c)
	}
	mounts, err := mountUse(st.Dirs().CacheMounts())
	if err != nil {
		return nil, err
	}
	list = append(list, mounts...)
	slices.SortStableFunc(list, func(a, b Record) int { return a.Created.Compare(b.Created) })
	return list, nil
}

func mountUse(dir string) ([]Record, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read cache mounts: %w", err)
	}
	var list []Record
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !e.IsDir() {
			continue
		}
		c := Record{ID: e.Name(), Type: mountType, Created: info.ModTime(), Used: info.ModTime()}
		_ = filepath.WalkDir(filepath.Join(dir, e.Name()), func(_ string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return nil // a build may be at work here
			}
			if info, err := d.Info(); err == nil {
				c.Size += info.Size()
			}
			return nil
		})
		list = append(list, c)
	}
	return list, nil
}

// Size is what forgetting the records would free, in bytes.
func Size(list []Record) int64 {
	var sum int64
	for _, r := range list {
		if !r.Shared {
			sum += r.Size
		}
	}
	return sum
}

// Prune forgets the records that choose chooses, nil for all of them, and
// the layers that only those held. What was used last is kept, as far as it
// fits into keep bytes. It returns how many bytes that freed.
func Prune(ctx context.Context, st *overlay.Store, choose func(Record) bool, keep int64) (int64, error) {
	d := st.Dirs()
	lock, err := Lock(ctx, d, state.Exclusive)
	if err != nil {
		return 0, err
	}
	defer lock.Release()
	list, err := Use(st)
	if err != nil {
		return 0, err
	}
	if choose == nil && keep <= 0 {
		if _, err := Clear(d.BuildCache()); err != nil {
			return 0, err
		}
	}
	slices.SortStableFunc(list, func(a, b Record) int { return a.Used.Compare(b.Used) })
	left := Size(list)
	var gone []Record
	for _, r := range list {
		if choose != nil && !choose(r) || keep > 0 && left <= keep {
			continue
		}
		if err := forget(d, r); err != nil {
			return Size(gone), err
		}
		gone = append(gone, r)
		left -= Size([]Record{r})
	}
	kept, err := Layers(d.BuildCache())
	if err != nil {
		return Size(gone), err
	}
	_, err = st.SweepLayers(ctx, func(id overlay.LayerID) bool { return kept[id] })
	return Size(gone), err
}

func forget(d state.Dirs, r Record) error {
	where := filepath.Join(d.BuildCache(), r.ID+".json")
	if r.Type == mountType {
		where = filepath.Join(d.CacheMounts(), r.ID)
	}
	if err := os.RemoveAll(where); err != nil {
		return fmt.Errorf("clear build cache: %w", err)
	}
	return nil
}
