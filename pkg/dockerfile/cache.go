// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"coracle/pkg/overlay"
	"coracle/pkg/state"
)

// cacheKey is what decides the result of a step, as 64 hex digits.
type cacheKey string

// cacheVersion changes when the same instruction begins to give other files.
const cacheVersion = "3"

// newKey digests the parts, in a form in which no two lists are the same.
func newKey(parent overlay.LayerID, parts ...string) cacheKey {
	h := sha256.New()
	for _, p := range append([]string{cacheVersion, string(parent)}, parts...) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		h.Write([]byte(p))
	}
	return cacheKey(hex.EncodeToString(h.Sum(nil)))
}

// record is what the cache keeps for a key: a layer, or a time.
type record struct {
	Layer   overlay.LayerID `json:"layer,omitempty"`
	Created time.Time       `json:"created"`
}

// cache is the build cache, as one build uses it.
type cache struct {
	st  *overlay.Store
	off bool // nothing is taken from it
}

func (c *cache) recordPath(key cacheKey) string {
	return filepath.Join(c.st.Dirs().BuildCache(), string(key)+".json")
}

// find returns the layer of an earlier build.
func (c *cache) find(key cacheKey) (overlay.LayerID, bool) {
	if c.off {
		return "", false
	}
	var r record
	if state.ReadJSON(c.recordPath(key), &r) != nil || !c.st.HasLayer(r.Layer) {
		return "", false
	}
	if _, err := c.st.Lowers(r.Layer); err != nil {
		return "", false
	}
	return r.Layer, true
}

// remember keeps a layer for the next build. Losing it costs time only.
func (c *cache) remember(key cacheKey, id overlay.LayerID) error {
	return c.keep(key, record{Layer: id, Created: time.Now().UTC()})
}

func (c *cache) keep(key cacheKey, r record) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	file := c.recordPath(key)
	err = state.WriteVolatile(file, data, 0o600)
	if err == nil {
		return nil
	}
	// What is in the way is no record.
	if err := errors.Join(os.RemoveAll(file), state.WriteVolatile(file, data, 0o600)); err != nil {
		return fmt.Errorf("write build cache: %w", err)
	}
	return nil
}

// firstBuilt is when an image with this configuration was built first: now, if
// it never was.
func (c *cache) firstBuilt(config digest.Digest) time.Time {
	key := newKey("", "image", config.String())
	var r record
	if !c.off && state.ReadJSON(c.recordPath(key), &r) == nil && !r.Created.IsZero() {
		return r.Created
	}
	r.Created = time.Now().UTC()
	_ = c.keep(key, r) // a memory: without it the next image is a new one
	return r.Created
}

// CachedLayers returns the layers that the build cache in dir speaks of.
func CachedLayers(dir string) (map[overlay.LayerID]bool, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read build cache: %w", err)
	}
	layers := map[overlay.LayerID]bool{}
	for _, e := range entries {
		var r record
		if strings.HasSuffix(e.Name(), ".json") && state.ReadJSON(filepath.Join(dir, e.Name()), &r) == nil && r.Layer != "" {
			layers[r.Layer] = true
		}
	}
	return layers, nil
}

// cacheLock is shared by builds, and held alone by who clears the cache.
const cacheLock = "lock"

// LockCache keeps layers that no image has from being removed while a build
// stands on them, or builds from beginning while they are removed.
func LockCache(ctx context.Context, d state.Dirs, mode state.Mode) (*state.Lock, error) {
	lock, err := state.Acquire(ctx, d.BuildLock(), mode)
	if err != nil {
		return nil, fmt.Errorf("lock build cache: %w", err)
	}
	return lock, nil
}

// ClearCache forgets all earlier builds, and returns how many steps that were.
func ClearCache(dir string) (int, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, fmt.Errorf("read build cache: %w", err)
	}
	n := 0
	for _, e := range entries {
		if e.Name() == cacheLock {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return n, fmt.Errorf("clear build cache: %w", err)
		}
		if strings.HasSuffix(e.Name(), ".json") {
			n++
		}
	}
	return n, nil
}
