// SPDX-License-Identifier: Apache-2.0

package shared

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/opencontainers/go-digest"

	"coracle/pkg/hint"
	"coracle/pkg/state"
)

// What a store may make us read: more is no list of images, and no configuration.
const (
	maxList   = 64 << 20
	maxConfig = 4 << 20
	maxLayers = 1000
)

// Store is one that somebody else keeps.
type Store struct {
	Dir string // as it was named
	UID int    // whose it is, as this process sees it
	// Open says that others may enter it: the modes of its files may have been changed
	// for them, and are not those of the images any more.
	Open   bool
	Images []Image
	graph  string // where the library has its directories
	driver string // overlay, or vfs: each layer is a tree with all below it
	layers map[string]layer
}

// Image is what the store says of one; nothing of it has been looked at.
type Image struct {
	ID       string        `json:"id"`
	Digest   digest.Digest `json:"digest"` // of its manifest
	Names    []string      `json:"names"`
	Metadata string        `json:"metadata"` // coracle's; podman's is another
	Top      string        `json:"layer"`
	Created  time.Time     `json:"created"`
}

type layer struct {
	ID     string        `json:"id"`
	Parent string        `json:"parent"`
	DiffID digest.Digest `json:"diff-digest"`
	Size   int64         `json:"diff-size"`
}

// Layer is one layer of an image. Its files have the owners that who made it could
// give them; its stream has those of the image.
type Layer struct {
	ID     string
	DiffID digest.Digest
	Size   int64  // of its tar stream, in bytes; 0 where that is not known
	Dir    string // of its files
	Split  string // the file that the stream is put together by (tar-split, gzip)
}

// Open reads what a store has. Who may write to it can have anything run by those
// who use it: so nobody but its owner may.
func Open(dir string) (*Store, error) {
	s := &Store{Dir: dir, layers: map[string]layer{}}
	if err := s.open(); err != nil {
		var h interface{ Hint() string }
		err = fmt.Errorf("shared store %s: %w", dir, err)
		if errors.Is(err, fs.ErrPermission) && !errors.As(err, &h) {
			err = hint.About(hint.SharedStores, err, "who keeps it opens it to others by: chmod -R a+rX "+dir)
		}
		return nil, err
	}
	return s, nil
}

func (s *Store) open() error {
	s.find()
	owner := -1
	for _, name := range []string{".", s.driver + "-images", s.driver + "-layers", s.driver} {
		uid, err := closed(filepath.Join(s.graph, name))
		if err != nil {
			return err
		}
		if owner < 0 {
			owner = uid
		}
		if uid != owner {
			return fmt.Errorf("%s belongs to somebody else than the store", name)
		}
	}
	s.UID = owner
	top, err := os.Stat(s.Dir)
	if err != nil {
		return err
	}
	s.Open = top.Mode().Perm()&0o077 != 0
	var layers []layer
	if err := errors.Join(readList(filepath.Join(s.graph, s.driver+"-images/images.json"), &s.Images), readList(filepath.Join(s.graph, s.driver+"-layers/layers.json"), &layers)); err != nil {
		return err
	}
	for _, l := range layers {
		if state.IsID(l.ID) {
			s.layers[l.ID] = l
		}
	}
	return nil
}

// find tells a root of coracle's from a graph root, and podman's drivers apart.
func (s *Store) find() {
	for _, s.driver = range []string{"vfs", "overlay"} {
		for _, sub := range []string{"storage", "."} {
			if s.graph = filepath.Join(s.Dir, sub); exists(s.graph, s.driver+"-images/images.json") {
				return
			}
		}
	}
}

// Layered reports whether the directories of layers have the files of one each, as
// overlayfs puts them together.
func (s *Store) Layered() bool { return s.driver == "overlay" }

func exists(dir, name string) bool {
	_, err := os.Stat(filepath.Join(dir, name))
	return err == nil || errors.Is(err, fs.ErrPermission)
}

// closed says whose a directory is, which nobody else may write to.
func closed(dir string) (uid int, err error) {
	var st syscall.Stat_t
	if err := syscall.Stat(dir, &st); err != nil {
		return 0, &os.PathError{Op: "stat", Path: dir, Err: err}
	}
	switch {
	case st.Mode&syscall.S_IFMT != syscall.S_IFDIR:
		return 0, fmt.Errorf("%s is not a directory", dir)
	case st.Mode&0o022 != 0:
		return 0, hint.About(hint.SharedStores, fmt.Errorf("%s has mode %04o, and others may write to it", dir, st.Mode&0o7777), "chmod go-w "+dir)
	}
	return int(st.Uid), nil
}

// readList reads a list in JSON; one that is not there is empty.
func readList(name string, into any) error {
	data, err := read(name, maxList)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return nil
}

// read is the content of a file that is one, and no longer than most.
func read(name string, most int64) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return nil, errors.Join(err, errors.New("not a file"))
	}
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("more than %d bytes", most)
	}
	return data, err
}

// Config is the configuration of an image, whose digest is its ID.
func (s *Store) Config(id string) ([]byte, error) {
	data, err := s.bigData(id, "sha256:"+id)
	if err == nil && digest.FromBytes(data).Encoded() != id {
		err = errors.New("its configuration is not what its ID says")
	}
	return data, err
}

// Manifest is the one that an image was pulled with, or nil.
func (s *Store) Manifest(img Image) []byte {
	data, err := s.bigData(img.ID, "manifest")
	if err != nil || digest.FromBytes(data) != img.Digest {
		return nil
	}
	return data
}

// bigData reads what the library keeps with an image, in files with names that
// say the key in base64 where it has other characters than letters.
func (s *Store) bigData(id, key string) ([]byte, error) {
	if !state.IsID(id) {
		return nil, fmt.Errorf("%q is not an ID", id)
	}
	if key != "manifest" {
		key = "=" + base64.StdEncoding.EncodeToString([]byte(key))
	}
	return read(filepath.Join(s.graph, s.driver+"-images", id, key), maxConfig)
}

// Stack are the layers from the lowest to the one of that ID.
func (s *Store) Stack(top string) ([]Layer, error) {
	var down []Layer
	for id := top; id != ""; {
		l, ok := s.layers[id]
		if !ok || len(down) == maxLayers {
			return nil, fmt.Errorf("layer %.12s is not there", id)
		}
		next := Layer{ID: id, DiffID: l.DiffID, Size: max(l.Size, 0), Dir: filepath.Join(s.graph, "overlay", id, "diff"), Split: filepath.Join(s.graph, s.driver+"-layers", id+".tar-split.gz")}
		if !s.Layered() {
			next.Dir = filepath.Join(s.graph, "vfs/dir", id)
		}
		if st, err := os.Stat(next.Dir); err != nil || !st.IsDir() {
			return nil, fmt.Errorf("layer %.12s is lost", id)
		}
		down = append(down, next)
		id = l.Parent
	}
	if len(down) == 0 {
		return nil, errors.New("no layers")
	}
	up := make([]Layer, len(down))
	for i, l := range down {
		up[len(up)-1-i] = l
	}
	return up, nil
}
