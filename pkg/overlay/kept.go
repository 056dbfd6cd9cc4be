// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"coracle/pkg/ids"
	"coracle/pkg/overlay/plain"
)

// Who is root in a container owns the files of an image that are root's. Where that
// is not the caller (ids.Keep) the files on the disk are not right: neither an
// overlay (Linux 6.18) nor a user's mount of an ordinary file system can be shown
// with other owners, MOUNT_ATTR_IDMAP is refused for both. So there is a copy of each
// layer with other owners beside it, for each Keep one, which is made when first one
// is needed and goes with the layer, or when nobody uses it.

// keptPrefix is that of the names of copies.
const keptPrefix = "keep-"

// KeptDirs are where the copies of layers for k are.
func KeptDirs(layers []string, k ids.Keep) []string {
	out := make([]string, len(layers))
	for i, l := range layers {
		out[i] = filepath.Join(keptPlace(l, k), "diff")
	}
	return out
}

// keptPlace has the copy of a layer, and what is made of it.
func keptPlace(layer string, k ids.Keep) string {
	return filepath.Join(filepath.Dir(layer), fmt.Sprintf("%s%d-%d", keptPrefix, k.UID, k.GID))
}

// Unkept are the layers that have no copy for k yet.
func Unkept(layers []string, k ids.Keep) []string {
	return slices.DeleteFunc(slices.Clone(layers), func(l string) bool {
		_, err := os.Lstat(keptPlace(l, k))
		return err == nil
	})
}

// KeepLayers makes the copies for k that are not there. Who comes second waits for
// the first.
//
// Preconditions: the process is uid 0 inside the user namespace of [ids.HostMaps].
func KeepLayers(ctx context.Context, layers []string, k ids.Keep) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	room := make(chan struct{}, 2*runtime.NumCPU()) // half of the time goes to the disk
	for _, l := range Unkept(layers, k) {
		all.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			if err := keepLayer(ctx, l, k); err != nil {
				cancel(explain(fmt.Errorf("copy layer for --userns keep-id: %w", err)))
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

func keepLayer(ctx context.Context, layer string, k ids.Keep) error {
	lock, err := lockPlace(filepath.Dir(layer))
	if err != nil {
		return err
	}
	defer lock.Close()
	done := keptPlace(layer, k)
	if _, err := os.Lstat(done); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	part, to := done+".part", filepath.Join(done+".part", "diff")
	if err := errors.Join(os.RemoveAll(part), os.Mkdir(part, 0o700), os.Mkdir(to, 0o755)); err != nil {
		return err
	}
	err = plain.CopyLayer(ctx, layer, to, k.OnDisk)
	if err == nil { // a power cut is not to leave a copy that has its name and not its content
		err = os.NewSyscallError("syncfs", unix.Syncfs(int(lock.Fd())))
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(part))
	}
	return os.Rename(part, done)
}
