// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/gzip"
	"github.com/vbatts/tar-split/tar/asm"
	"golang.org/x/sys/unix"

	"coracle/pkg/inroot"
	"coracle/pkg/state"
)

// OpenTar returns the layer's tar stream, byte for byte the one it was made
// from. No lock is held while it is read.
func (s *Store) OpenTar(id LayerID) (io.ReadCloser, error) {
	return openTar(id, splitPath(s.dirs, id), diffDir(s.dirs, id))
}

// openTar puts the stream of a layer together from the record of it and the files.
func openTar(id LayerID, record, files string) (io.ReadCloser, error) {
	split, err := os.OpenFile(record, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, fmt.Errorf("open layer %.12s: %w", id, err)
	}
	unzip, err := gzip.NewReader(bufio.NewReader(split))
	if err != nil {
		split.Close()
		return nil, fmt.Errorf("open layer %.12s: %w", id, err)
	}
	dir, err := unix.Open(files, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		split.Close()
		return nil, fmt.Errorf("open layer %.12s: %w", id, err)
	}
	get := &fileGetter{dir: os.NewFile(uintptr(dir), files)}
	pr, pw := io.Pipe()
	go func() {
		err := asm.WriteOutputTarStream(get, &recordReader{json.NewDecoder(unzip)}, pw)
		pw.CloseWithError(errors.Join(err, get.dir.Close(), split.Close()))
	}()
	return pr, nil
}

// splitPath is where the library keeps the record of a layer's stream.
func splitPath(d state.Dirs, id LayerID) string {
	return filepath.Join(d.Storage(), "overlay-layers", string(id)+".tar-split.gz")
}

// fileGetter opens a layer's files for tar-split. Links are resolved inside
// the layer: an entry's name may lead through one that the image made.
type fileGetter struct{ dir *os.File }

func (g *fileGetter) Get(name string) (io.ReadCloser, error) {
	return inroot.Root(g.dir).Open(name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
}

// Blobs returns the known compressed forms of a layer, newest first.
func (s *Store) Blobs(id LayerID) []Blob {
	var list []Blob
	data, err := os.ReadFile(s.dirs.LayerBlobs(string(id)))
	if err != nil || json.Unmarshal(data, &list) != nil {
		return nil
	}
	return list
}

// AddBlob remembers a compressed form of a layer, so that a push need not make
// it again. It is only a memory: losing it costs time.
func (s *Store) AddBlob(id LayerID, b Blob) error {
	list := []Blob{b}
	for _, old := range s.Blobs(id) {
		if old.Digest != b.Digest && len(list) < 4 {
			list = append(list, old)
		}
	}
	data, err := json.Marshal(list)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.dirs.BlobInfo(), 0o700); err != nil {
		return err
	}
	return state.WriteVolatile(s.dirs.LayerBlobs(string(id)), data, 0o600)
}

// TarSize is the length of the layer's tar stream, in bytes.
func (s *Store) TarSize(id LayerID) (int64, error) {
	l, err := s.lib.Layer(string(id))
	if err != nil {
		return 0, fmt.Errorf("look up layer %.12s: %w", id, err)
	}
	return l.UncompressedSize, nil
}
