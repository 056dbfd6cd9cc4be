// SPDX-License-Identifier: Apache-2.0

package cache

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

// Key is what decides the result of a step, as 64 hex digits.
type Key string

// version changes when the same instruction begins to give other files.
const version = "3"

// NewKey digests the parts, in a form in which no two lists are the same.
func NewKey(parent overlay.LayerID, parts ...string) Key {
	h := sha256.New()
	for _, p := range append([]string{version, string(parent)}, parts...) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		h.Write([]byte(p))
	}
	return Key(hex.EncodeToString(h.Sum(nil)))
}

// record is what the cache keeps for a key: a layer, or a time.
type record struct {
	Layer   overlay.LayerID `json:"layer,omitempty"`
	Created time.Time       `json:"created"`
}

// Cache is the build cache, as one build uses it.
type Cache struct {
	st  *overlay.Store
	off bool // nothing is taken from it
}

// Open is the cache of a store. With off nothing is taken from it, but what is
// made is kept.
func Open(st *overlay.Store, off bool) *Cache { return &Cache{st, off} }

func (c *Cache) path(key Key) string {
	return filepath.Join(c.st.Dirs().BuildCache(), string(key)+".json")
}

// Find returns the layer of an earlier build.
func (c *Cache) Find(key Key) (overlay.LayerID, bool) {
	if c.off {
		return "", false
	}
	var r record
	if state.ReadJSON(c.path(key), &r) != nil || !c.st.HasLayer(r.Layer) {
		return "", false
	}
	if _, err := c.st.Lowers(r.Layer); err != nil {
		return "", false
	}
	return r.Layer, true
}

// Remember keeps a layer for the next build. Losing it costs time only.
func (c *Cache) Remember(key Key, id overlay.LayerID) error {
	return c.keep(key, record{Layer: id, Created: time.Now().UTC()})
}

func (c *Cache) keep(key Key, r record) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	file := c.path(key)
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

// FirstBuilt is when an image with this configuration was built first: now, if
// it never was.
func (c *Cache) FirstBuilt(config digest.Digest) time.Time {
	key := NewKey("", "image", config.String())
	var r record
	if !c.off && state.ReadJSON(c.path(key), &r) == nil && !r.Created.IsZero() {
		return r.Created
	}
	r.Created = time.Now().UTC()
	_ = c.keep(key, r) // a memory: without it the next image is a new one
	return r.Created
}

// Layers returns the layers that the build cache in dir speaks of.
func Layers(dir string) (map[overlay.LayerID]bool, error) {
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

// lockName is shared by builds, and held alone by who clears the cache.
const lockName = "lock"

// Lock keeps layers that no image has from being removed while a build
// stands on them, or builds from beginning while they are removed.
func Lock(ctx context.Context, d state.Dirs, mode state.Mode) (*state.Lock, error) {
	lock, err := state.Acquire(ctx, d.BuildLock(), mode)
	if err != nil {
		return nil, fmt.Errorf("lock build cache: %w", err)
	}
	return lock, nil
}

// Clear forgets all earlier builds, and returns how many steps that were.
func Clear(dir string) (int, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, fmt.Errorf("read build cache: %w", err)
	}
	n := 0
	for _, e := range entries {
		if e.Name() == lockName {
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
