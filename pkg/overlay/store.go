// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/opencontainers/go-digest"
	"github.com/sirupsen/logrus"
	"go.podman.io/storage"
	graphdriver "go.podman.io/storage/drivers"
	"go.podman.io/storage/types"
	"golang.org/x/sys/unix"

	"coracle/pkg/ids"
	"coracle/pkg/overlay/shared"
	"coracle/pkg/state"
)

// Options of Open.
type Options struct {
	// SingleID says that the user namespace has one id: owners cannot be
	// kept, and files that should be somebody else's are root's.
	SingleID bool
}

// Store is the open set of layers and images. It is safe for concurrent use.
type Store struct {
	dirs     state.Dirs
	lib      storage.Store
	single   bool
	copies   bool        // there is no overlayfs
	unsynced atomic.Bool // something was staged since the last syncfs
	scratch  scratch
	records  imageRecords
	index    indexer
}

// Open opens the store below d.
//
// Preconditions: the process is uid 0 inside the user namespace.
func Open(d state.Dirs, o Options) (*Store, error) {
	if err := shared.Settle(home()); err != nil {
		return nil, err
	}
	// The library reads its settings from the environment and from files of
	// the host; these say that the namespace is made already, and that there
	// is no file but ours.
	for k, v := range map[string]string{
		"_CONTAINERS_USERNS_CONFIGURED": "done",
		"_CONTAINERS_ROOTLESS_UID":      "1",
		"CONTAINERS_STORAGE_CONF":       d.StorageConf(),
	} {
		if err := os.Setenv(k, v); err != nil {
			return nil, err
		}
	}
	if err := d.HoldsLayers(); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if err := writeStorageConf(d); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if err := rescueLists(d); err != nil {
		return nil, explain(fmt.Errorf("open store: %w", err))
	}
	if err := prepareDriver(d); err != nil {
		return nil, err
	}
	opts := types.StoreOptions{
		GraphRoot:       d.Storage(),
		RunRoot:         d.StorageRun(),
		GraphDriverName: "overlay",
		GraphDriverOptions: []string{
			"overlay.skip_mount_home=true",
		},
	}
	if o.SingleID {
		opts.GraphDriverOptions = append(opts.GraphDriverOptions, "overlay.ignore_chown_errors=true")
	}
	logrus.SetLevel(logrus.ErrorLevel) // what the library mends by itself is no news
	lib, copies, err := openAnyhow(d, opts)
	if errors.Is(err, unix.EROFS) { // the library says the name twice
		err = &os.PathError{Op: "write", Path: d.Root, Err: unix.EROFS}
	}
	if err != nil {
		return nil, explain(fmt.Errorf("open store: %w", err))
	}
	records := imageRecords{lib}
	s := &Store{
		dirs: d, lib: lib, single: o.SingleID, copies: copies,
		scratch: scratch{tmp: d.Tmp()}, records: records, index: indexer{dirs: d, records: records},
	}
	// What a command that was killed has left is of no use to anybody.
	if died, err := sweepScratch(d.Tmp()); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	} else if died {
		if err := s.Sweep(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// writeStorageConf writes the file that keeps the library from the host's
// settings; ours are passed by arguments. One that is damaged is replaced.
func writeStorageConf(d state.Dirs) error {
	graph, err := json.Marshal(d.Storage()) // TOML's strings have JSON's escapes
	if err != nil {
		return err
	}
	run, err := json.Marshal(d.StorageRun())
	if err != nil {
		return err
	}
	conf := fmt.Appendf(nil, "# The library's settings are passed by coracle; this file only keeps it from the host's.\n[storage]\ndriver = \"overlay\"\ngraphroot = %s\nrunroot = %s\n", graph, run)
	if old, err := os.ReadFile(d.StorageConf()); err == nil && bytes.Equal(old, conf) {
		return nil
	}
	return state.WriteFile(d.StorageConf(), conf, 0o600)
}

// overlayFalse is where the library's driver writes down that a mount did not work.
func overlayFalse(d state.Dirs) string {
	return filepath.Join(d.StorageRun(), "overlay", "overlay-false")
}

// noOverlay reports whether err, of openLibrary, says that there is no overlayfs
// here. The driver tries twice, and its second answer is the text that it wrote down
// with the first: no error that could be told from others.
func noOverlay(d state.Dirs, err error) bool {
	for _, e := range []error{graphdriver.ErrNotSupported, graphdriver.ErrPrerequisites, graphdriver.ErrIncompatibleFS} {
		if errors.Is(err, e) {
			return true
		}
	}
	_, err = os.Lstat(overlayFalse(d))
	return err == nil
}

// prepareDriver answers what the library's driver would try out by mounts whose
// options it writes without any care for colons, commas and backslashes, and
// would remember until the next boot should it fail once.
func prepareDriver(d state.Dirs) error {
	run := filepath.Join(d.StorageRun(), "overlay")
	if err := os.Remove(overlayFalse(d)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("open store: %w", err)
	}
	if !hasSeparator(d.Storage()) {
		return nil
	}
	if err := os.MkdirAll(run, 0o700); err != nil {
		return fmt.Errorf("open store: %w", err)
	}
	for _, answer := range []string{"overlay-true", "metacopy()-false", "native-diff()-true"} {
		if err := state.WriteVolatile(filepath.Join(run, answer), nil, 0o600); err != nil {
			return fmt.Errorf("open store: %w", err)
		}
	}
	return nil
}

// openLibrary keeps the library from making a run directory of its own, in a
// place that users share.
func openLibrary(d state.Dirs, opts types.StoreOptions) (storage.Store, error) {
	const key = "XDG_RUNTIME_DIR"
	old, had := os.LookupEnv(key)
	if err := os.Setenv(key, d.Run); err != nil {
		return nil, err
	}
	defer func() {
		if had {
			_ = os.Setenv(key, old)
		} else {
			_ = os.Unsetenv(key)
		}
	}()
	return storage.GetStore(opts)
}

// openAnyhow opens the library with or without overlayfs. copies is without.
func openAnyhow(d state.Dirs, opts types.StoreOptions) (lib storage.Store, copies bool, err error) {
	if !ids.Alone() { // who may mount nothing need not try
		if lib, err = openLibrary(d, opts); err == nil || !noOverlay(d, err) {
			return lib, false, err
		}
	}
	// With a program that mounts, the library leaves everything to it; here all
	// mounts are MountRootfs's, and this program is never called.
	opts.GraphDriverOptions = append(opts.GraphDriverOptions, "overlay.mount_program=/proc/self/exe")
	lib, err = openLibrary(d, opts)
	return lib, true, err
}

// Close lets the store go.
func (s *Store) Close() error {
	s.lib.Free()
	return s.scratch.close()
}

// Copies reports whether the store's file system, or this process, has no overlayfs, so
// that root file systems are copies of their layers.
func (s *Store) Copies() bool { return s.copies }

// Scratch is a private directory for what must not outlive this process. It goes
// with the store, or is swept by the next command.
func (s *Store) Scratch() (string, error) { return s.scratch.path() }

// Dirs returns the directories the store lives in.
func (s *Store) Dirs() state.Dirs { return s.dirs }

// LayerID is the OCI chain ID of a layer, 64 hex digits: what the layer is, on
// top of what.
type LayerID string

// ChainID returns the ID of the layer diffID on top of parent.
func ChainID(parent LayerID, diffID digest.Digest) LayerID {
	if parent == "" {
		return LayerID(diffID.Encoded())
	}
	return LayerID(digest.FromString("sha256:" + string(parent) + " " + diffID.String()).Encoded())
}

// HasLayer reports whether the layer is in the store.
func (s *Store) HasLayer(id LayerID) bool {
	if id == "" {
		return false
	}
	if _, err := os.Lstat(diffDir(s.dirs, id)); err != nil {
		return false
	}
	_, err := s.lib.Layer(string(id))
	return err == nil
}

// DiffID returns the digest of the layer's uncompressed tar stream.
func (s *Store) DiffID(id LayerID) (digest.Digest, error) {
	l, err := s.lib.Layer(string(id))
	if err != nil {
		return "", fmt.Errorf("look up layer %.12s: %w", id, err)
	}
	return l.UncompressedDigest, nil
}

// diffDir is where the library keeps a layer's files.
func diffDir(d state.Dirs, id LayerID) string {
	return filepath.Join(d.Storage(), "overlay", string(id), "diff")
}

// Lowers returns the directories of a layer and all below it, topmost first.
func (s *Store) Lowers(id LayerID) ([]string, error) {
	var dirs []string
	for id != "" {
		l, err := s.lib.Layer(string(id))
		if err != nil {
			return nil, fmt.Errorf("look up layer %.12s: %w", id, err)
		}
		dirs = append(dirs, diffDir(s.dirs, id))
		id = LayerID(l.Parent)
	}
	return dirs, nil
}

// Sync puts everything written below the store on disk.
func (s *Store) Sync() error {
	f, err := os.Open(s.dirs.Storage())
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return os.NewSyscallError("syncfs", err)
	}
	return nil
}

// Sweep removes what commands that died left behind.
//
// Preconditions: this process stages nothing. A look at the lock of a staged
// layer would release it (fcntl_locking(2)).
func (s *Store) Sweep() error {
	if err := errors.Join(sweepStaging(s.dirs), s.lib.GarbageCollect()); err != nil {
		return fmt.Errorf("sweep store: %w", err)
	}
	return nil
}

// SweepLayers removes the layers that no image reaches and keep does not ask
// for, and returns their IDs.
func (s *Store) SweepLayers(ctx context.Context, keep func(LayerID) bool) ([]LayerID, error) {
	lock, err := s.lockImages(ctx)
	if err != nil {
		return nil, err
	}
	defer lock.Release()
	layers, err := s.lib.Layers()
	if err != nil {
		return nil, fmt.Errorf("list layers: %w", err)
	}
	images, err := s.lib.Images()
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	parent := make(map[LayerID]LayerID, len(layers))
	needed := map[LayerID]bool{}
	for _, l := range layers {
		parent[LayerID(l.ID)] = LayerID(l.Parent)
	}
	mark := func(id LayerID) {
		for ; id != "" && !needed[id]; id = parent[id] {
			needed[id] = true
		}
	}
	for _, img := range images {
		mark(LayerID(img.TopLayer))
	}
	for id := range parent {
		if keep != nil && keep(id) {
			mark(id)
		}
	}
	return deleteLayers(s.lib, parent, needed), nil
}

// deleteLayers deletes children before parents; one that cannot be deleted
// keeps its parents.
func deleteLayers(lib storage.Store, parent map[LayerID]LayerID, needed map[LayerID]bool) []LayerID {
	var gone []LayerID
	for {
		children := map[LayerID]int{}
		for _, p := range parent {
			children[p]++
		}
		again := false
		for id := range parent {
			if needed[id] || children[id] > 0 {
				continue
			}
			if err := lib.DeleteLayer(string(id)); err != nil {
				needed[id] = true
				continue
			}
			delete(parent, id)
			gone = append(gone, id)
			again = true
		}
		if !again {
			return gone
		}
	}
}

func (s *Store) lockImages(ctx context.Context) (*state.Lock, error) {
	lock, err := state.Acquire(ctx, s.dirs.ImageLock(), state.Exclusive)
	if err != nil {
		return nil, fmt.Errorf("change images: %w", err)
	}
	return lock, nil
}

// explain says what can be done about a file system that cannot hold a store.
func explain(err error) error { return state.Explain(err) }
