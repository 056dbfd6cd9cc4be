// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	_ "crypto/sha256" // the only digest algorithm of layers

	"github.com/opencontainers/go-digest"

	"go.podman.io/storage"
	graphdriver "go.podman.io/storage/drivers"
	"go.podman.io/storage/pkg/archive"
	"golang.org/x/sys/unix"

	"coracle/pkg/ids"
)

// Staged is a layer that is complete but not in the store yet.
type Staged struct {
	s    *Store
	out  *graphdriver.DriverWithDifferOutput
	made []string // see tarDiffer
	// unpacked: it is of an archive, and so its directories have no notes but of what
	// the archive has in them.
	unpacked bool
	// Reserved names what a layer of files cannot have, relative to the root:
	// files whose names begin with ".wh.", which mean removals in its stream.
	Reserved []string
}

// DiffID is the digest of the layer's uncompressed tar stream.
func (st *Staged) DiffID() digest.Digest { return st.out.UncompressedDigest }

// Size is the length of that stream, in bytes.
func (st *Staged) Size() int64 { return st.out.Size }

// Path is where the layer's files are until it is committed.
func (st *Staged) Path() string { return st.out.Target }

// Discard gives the layer up. It may be called after Commit.
func (st *Staged) Discard() error {
	if st.out == nil {
		return nil
	}
	out := st.out
	st.out = nil
	return st.s.lib.CleanupStagedLayer(out)
}

// StageTar extracts an uncompressed tar stream. No lock is held: many may run
// at once. The stream is hostile: nothing of it lands outside of the layer,
// device nodes are left out.
func (s *Store) StageTar(ctx context.Context, r io.Reader) (*Staged, error) {
	scratch, err := s.Scratch()
	if err != nil {
		return nil, err
	}
	d := &tarDiffer{ctx: ctx, r: r, scratch: scratch, single: s.single}
	st, err := s.stage(d)
	if err != nil {
		return nil, err
	}
	st.made, st.unpacked = d.made, true
	return st, nil
}

func (s *Store) stage(d graphdriver.Differ) (*Staged, error) {
	// Should this process be killed, its scratch directory tells the next one
	// that there are staged layers to be swept.
	if _, err := s.Scratch(); err != nil {
		return nil, err
	}
	gate, err := stagingGate(s.dirs, unix.LOCK_SH)
	if err != nil {
		return nil, fmt.Errorf("stage layer: %w", err)
	}
	defer gate.Close()
	out, err := s.lib.PrepareStagedLayer(&graphdriver.ApplyDiffWithDifferOpts{}, &gated{d, gate})
	if err != nil {
		if out != nil && out.Target != "" {
			_ = s.lib.CleanupStagedLayer(out)
		}
		return nil, explain(fmt.Errorf("stage layer: %w", err))
	}
	s.unsynced.Store(true)
	return &Staged{s: s, out: out}, nil
}

// gated opens the gate for sweeps once its directory is there and locked.
type gated struct {
	graphdriver.Differ
	gate *os.File
}

func (g *gated) ApplyDiff(dest string, o *archive.TarOptions, d *graphdriver.DifferOptions) (graphdriver.DriverWithDifferOutput, error) {
	g.gate.Close()
	return g.Differ.ApplyDiff(dest, o, d)
}

// tarDiffer is a graphdriver.Differ that extracts a stream in this process.
type tarDiffer struct {
	ctx     context.Context
	r       io.Reader
	scratch string
	single  bool
	made    []string // directories that the archive has no entries for
}

func (d *tarDiffer) Close() error { return nil }

// ApplyDiff extracts into dest and, in the same pass, digests the stream and
// records it, so that the very same bytes can be made again for a push.
func (d *tarDiffer) ApplyDiff(dest string, _ *archive.TarOptions, _ *graphdriver.DifferOptions) (graphdriver.DriverWithDifferOutput, error) {
	var out graphdriver.DriverWithDifferOutput
	rec, err := newRecorder(d.ctx, d.r, d.scratch)
	if err != nil {
		return out, err
	}
	if d.made, err = unpack(d.ctx, rec, dest, d.single); err != nil {
		return out, errors.Join(err, rec.discard())
	}
	return recorded(rec, dest)
}

// recorded is what the library is told of a layer whose files are in dest.
func recorded(rec *recorder, dest string) (graphdriver.DriverWithDifferOutput, error) {
	var out graphdriver.DriverWithDifferOutput
	split, err := rec.finish()
	if err != nil {
		return out, err
	}
	st, err := os.Stat(dest)
	if err != nil {
		return out, errors.Join(err, split.Close())
	}
	mode := st.Mode()
	out.RootDirMode = &mode
	out.UncompressedDigest, out.Size, out.TarSplit = rec.in.sum.Digest(), rec.in.size, split
	return out, nil
}

// Blob is a compressed form of a layer that some registry holds.
type Blob struct {
	Digest    digest.Digest `json:"digest"`
	Size      int64         `json:"size"`
	MediaType string        `json:"mediaType"`
}

// Commit puts the layer in its place on top of parent. It is no error when the
// layer is there already. It is durable after CreateImage or Sync.
func (s *Store) Commit(st *Staged, parent LayerID, blob *Blob) (LayerID, error) {
	id := ChainID(parent, st.DiffID())
	defer st.Discard()
	if !s.HasLayer(id) {
		if err := s.add(st, id, parent); err != nil {
			return "", err
		}
	}
	if blob != nil {
		return id, s.AddBlob(id, *blob)
	}
	return id, nil
}

func (s *Store) add(st *Staged, id, parent LayerID) error {
	if len(st.made) > 0 || s.single && st.unpacked && parent != "" {
		lowers, err := s.Lowers(parent)
		if err == nil {
			err = inherit(st, lowers)
		}
		if err != nil {
			return fmt.Errorf("commit layer %.12s: %w", id, err)
		}
	}
	// Before a record says that the layer is complete, its files are.
	if s.unsynced.Swap(false) {
		if err := s.Sync(); err != nil {
			return fmt.Errorf("commit layer: %w", err)
		}
	}
	if _, err := s.lib.Layer(string(id)); err == nil {
		if s.HasLayer(id) { // another command was quicker
			return nil
		}
		if err := mendLayer(s.dirs, st, id, parent); err != nil {
			return explain(fmt.Errorf("mend layer %.12s: %w", id, err))
		}
		return nil
	}
	out := st.out
	st.out = nil
	_, err := s.lib.ApplyStagedLayer(storage.ApplyStagedLayerOptions{
		ID: string(id), ParentLayer: string(parent), DiffOutput: out,
		DiffOptions: &graphdriver.ApplyDiffWithDifferOpts{},
	})
	_ = os.Remove(filepath.Dir(out.Target)) // the library leaves it behind, empty
	if err != nil && !s.HasLayer(id) {
		return explain(fmt.Errorf("commit layer %.12s: %w", id, err))
	}
	return nil
}

// Dir is an empty directory pair that becomes a layer.
type Dir struct {
	Upper, Work string
	Maker       *Maker // of who has written there with a single id; nil: owners are as they stand
	root        string
}

// NewDir makes one on the store's file system.
func (s *Store) NewDir() (*Dir, error) {
	scratch, err := s.Scratch()
	if err != nil {
		return nil, err
	}
	root, err := os.MkdirTemp(scratch, "layer-")
	if err != nil {
		return nil, explain(fmt.Errorf("create layer: %w", err))
	}
	d := &Dir{Upper: filepath.Join(root, "upper"), Work: filepath.Join(root, "work"), root: root}
	if err := errors.Join(os.Mkdir(d.Upper, 0o755), os.Mkdir(d.Work, 0o700)); err != nil {
		return nil, explain(fmt.Errorf("create layer: %w", err))
	}
	return d, nil
}

// Discard removes the pair and what is in it.
func (d *Dir) Discard() error {
	_ = os.Chmod(filepath.Join(d.Work, "work"), 0o700)
	return os.RemoveAll(d.root)
}

// Settle makes Upper what has been written, for good: nobody writes any more but to Upper
// itself. It costs nothing where it has been done, and with overlayfs.
func (d *Dir) Settle(ctx context.Context, lowers []string) error {
	r := Rootfs{Lowers: lowers, Upper: d.Upper, Work: d.Work}
	if !Unsettled(r) {
		return nil
	}
	if err := Settle(ctx, r); err != nil {
		return err
	}
	return errors.Join(os.Remove(filepath.Join(d.Work, copiedName)), os.RemoveAll(filepath.Join(d.Work, treeName)))
}

// StageDir makes a layer of a directory in overlay's own form, without copying
// it: the stream that a registry would get is made once, to know its digest,
// and the directory itself becomes the layer. Upper is moved.
func (s *Store) StageDir(ctx context.Context, d *Dir, lowers []string) (*Staged, error) {
	if err := d.Settle(ctx, lowers); err != nil {
		return nil, err
	}
	scratch, err := s.Scratch()
	if err != nil {
		return nil, err
	}
	differ := &dirDiffer{ctx: ctx, dir: d, lowers: lowers, scratch: scratch, single: s.single}
	st, err := s.stage(differ)
	if err != nil {
		return nil, err
	}
	st.Reserved = differ.reserved
	return st, d.Discard()
}

// StageUpper makes a layer of the upper directory of a container, which stays
// as it is. skip names, relative to the root, what is left out while it is
// empty and not in a layer below. With keep the files have the owners that such a
// container knows, and so the layers below are the copies for it.
func (s *Store) StageUpper(ctx context.Context, c Rootfs, skip []string, keep *ids.Keep) (*Staged, error) {
	if err := Settle(ctx, c); err != nil {
		return nil, err
	}
	r := streamLayer(ctx, c.Upper, c.Lowers, skip, owners{keep: keep, single: s.single, maker: &Maker{}})
	st, err := s.StageTar(ctx, r)
	reserved := r.close(err)
	if err != nil {
		return nil, err
	}
	st.Reserved = reserved
	return st, nil
}

// layerStream is what writeLayer writes, to be read.
type layerStream struct {
	*io.PipeReader
	reserved chan []string
}

func streamLayer(ctx context.Context, upper string, lowers, skip []string, own owners) layerStream {
	pr, pw := io.Pipe()
	l := layerStream{pr, make(chan []string, 1)}
	go func() {
		reserved, err := writeLayer(ctx, pw, upper, lowers, skip, own)
		l.reserved <- reserved
		pw.CloseWithError(err)
	}()
	return l
}

// close ends the writer, for the error if there is one, and returns what it
// left out.
func (l layerStream) close(err error) []string {
	l.CloseWithError(err)
	return <-l.reserved
}

// dirDiffer is a graphdriver.Differ that takes over a directory.
type dirDiffer struct {
	ctx     context.Context
	dir     *Dir
	lowers  []string
	single  bool
	scratch string

	reserved []string
}

func (d *dirDiffer) Close() error { return nil }

func (d *dirDiffer) ApplyDiff(dest string, _ *archive.TarOptions, _ *graphdriver.DifferOptions) (graphdriver.DriverWithDifferOutput, error) {
	var out graphdriver.DriverWithDifferOutput
	r := streamLayer(d.ctx, d.dir.Upper, d.lowers, nil, owners{single: d.single, maker: d.dir.Maker, settle: true})
	rec, err := newRecorder(d.ctx, r, d.scratch)
	if err != nil {
		r.close(err)
		return out, err
	}
	err = recordOnly(rec)
	d.reserved = r.close(err)
	for _, name := range d.reserved {
		err = errors.Join(err, os.RemoveAll(filepath.Join(d.dir.Upper, name)))
	}
	if err != nil {
		return out, errors.Join(err, rec.discard())
	}
	if err := errors.Join(os.Remove(dest), os.Rename(d.dir.Upper, dest)); err != nil {
		return out, errors.Join(err, rec.discard())
	}
	return recorded(rec, dest)
}

// recordOnly notes the contents of files that are in their places already.
func recordOnly(rec *recorder) error {
	for tr := tar.NewReader(rec); ; {
		h, err := tr.Next()
		if err == io.EOF { // of the archive; the writer has more to say
			_, err = io.Copy(io.Discard, rec)
			return err
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg || h.Size == 0 {
			continue
		}
		copy := func() error { _, err := io.Copy(io.Discard, tr); return err }
		if _, err := rec.content(h.Name, h.Size, copy); err != nil {
			return err
		}
	}
}
