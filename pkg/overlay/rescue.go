// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/opencontainers/go-digest"
	"go.podman.io/storage"

	"coracle/pkg/state"
)

// The library reads its lists of images and layers before anything else, and
// does nothing with one that is damaged. All that stands in them stands in our
// own details of images, too, so they can be written again; a layer that no
// image has, as of the build cache, is lost with its list.

const damagedSuffix = ".damaged"

func imageList(d state.Dirs) string {
	return filepath.Join(d.Storage(), "overlay-images", "images.json")
}

func layerList(d state.Dirs) string {
	return filepath.Join(d.Storage(), "overlay-layers", "layers.json")
}

func containerList(d state.Dirs) string {
	return filepath.Join(d.Storage(), "overlay-containers", "containers.json")
}

// rescueLists writes the library's lists again that cannot be read. What was
// there stays beside it, with another name.
func rescueLists(d state.Dirs) error {
	images := func() bool { return kept[storage.Image](d, imageList(d)) }
	layers := func() bool { return kept[storage.Layer](d, layerList(d)) }
	containers := func() bool { return sound[storage.Container](containerList(d)) }
	if images() && layers() && containers() {
		return nil
	}
	lock, err := state.Acquire(context.Background(), d.ImageLock(), state.Exclusive)
	if err != nil {
		return err
	}
	defer lock.Release()
	if !layers() {
		if err := replaceList(layerList(d), layersOf(d)); err != nil {
			return err
		}
	}
	if !images() {
		if err := replaceList(imageList(d), imagesOf(d)); err != nil {
			return err
		}
	}
	if !containers() { // we have none there
		return replaceList(containerList(d), []storage.Container{})
	}
	return nil
}

// kept reports whether a list can be read, and is there if there are images.
func kept[T any](d state.Dirs, path string) bool {
	if _, err := os.Lstat(path); errors.Is(err, os.ErrNotExist) {
		return len(known(d)) == 0
	}
	return sound[T](path)
}

// sound reports whether a list can be read. One that is not there is empty, and one
// that this process is too poor to open is not judged.
func sound[T any](path string) bool {
	data, err := os.ReadFile(path)
	if err != nil {
		return errors.Is(err, os.ErrNotExist) || state.OfProcess(err)
	}
	var list []T
	return json.Unmarshal(data, &list) == nil && list != nil
}

func replaceList(path string, list any) error {
	if err := os.Rename(path, path+damagedSuffix); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return state.WriteJSON(path, list, 0o600)
}

// known are the details of all images that are not damaged.
func known(d state.Dirs) []Details {
	var list []Details
	for _, id := range described(d) {
		if det, err := LoadImage(d, id); err == nil {
			list = append(list, det)
		}
	}
	return list
}

// described are the IDs of the images that have details.
func described(d state.Dirs) []string {
	entries, err := os.ReadDir(filepath.Dir(d.ImageDetails("x")))
	if err != nil {
		return nil
	}
	var ids []string
	for _, e := range entries {
		if id, ok := strings.CutSuffix(e.Name(), ".json"); ok && state.IsID(id) {
			ids = append(ids, id)
		}
	}
	return ids
}

func imagesOf(d state.Dirs) []storage.Image {
	list := []storage.Image{}
	for _, det := range known(d) {
		text, err := json.Marshal(meta{RepoDigests: det.RepoDigests, Size: det.Size})
		if err != nil {
			continue
		}
		img := storage.Image{
			ID: det.ID, Names: det.Names, NamesHistory: det.Names, Digest: det.Manifest, TopLayer: string(det.Layers[len(det.Layers)-1]),
			Metadata: string(text), Created: det.Created, BigDataSizes: map[string]int64{}, BigDataDigests: map[string]digest.Digest{},
		}
		config := "sha256:" + det.ID
		for key, sum := range map[string]digest.Digest{config: digest.Digest(config), manifestKey: det.Manifest} {
			name := key
			if key == config { // as the library names files of keys with a colon
				name = "=" + base64.StdEncoding.EncodeToString([]byte(key))
			}
			info, err := os.Stat(filepath.Join(d.Storage(), "overlay-images", det.ID, name))
			if err != nil {
				continue
			}
			img.BigDataNames = append(img.BigDataNames, key)
			img.BigDataSizes[key], img.BigDataDigests[key] = info.Size(), sum
		}
		list = append(list, img)
	}
	return list
}

func layersOf(d state.Dirs) []storage.Layer {
	list := []storage.Layer{}
	seen := map[LayerID]bool{}
	for _, det := range known(d) {
		c, err := det.OCI()
		if err != nil || len(c.RootFS.DiffIDs) != len(det.Layers) {
			continue
		}
		for i, id := range det.Layers {
			if seen[id] {
				continue
			}
			seen[id] = true
			l := storage.Layer{ID: string(id), UncompressedDigest: c.RootFS.DiffIDs[i], Created: time.Now().UTC()}
			if i > 0 {
				l.Parent = string(det.Layers[i-1])
			}
			l.UncompressedSize, _ = streamSize(d, id) // without it the layer cannot be saved
			list = append(list, l)
		}
	}
	return list
}

// streamSize is the length of a layer's stream, counted in its record.
func streamSize(d state.Dirs, id LayerID) (int64, error) {
	f, err := os.Open(splitPath(d, id))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	plain, err := gzip.NewReader(bufio.NewReader(f))
	if err != nil {
		return 0, err
	}
	var n int64
	for r := (&recordReader{json.NewDecoder(plain)}); ; {
		e, err := r.Next()
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, fmt.Errorf("read record of layer %.12s: %w", id, err)
		}
		if e.Size > 0 {
			n += e.Size
		} else {
			n += int64(len(e.Payload))
		}
	}
}
