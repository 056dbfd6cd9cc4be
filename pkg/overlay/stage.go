// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	_ "crypto/sha256" // the only digest algorithm of layers
	"github.com/opencontainers/go-digest"

	"github.com/vbatts/tar-split/tar/asm"
	tarstorage "github.com/vbatts/tar-split/tar/storage"
	"go.podman.io/storage"
	graphdriver "go.podman.io/storage/drivers"
	"go.podman.io/storage/pkg/archive"
	"golang.org/x/sys/unix"
)

// Staged is a layer that is complete but not in the store yet.
type Staged struct {
	s   *Store
	out *graphdriver.DriverWithDifferOutput
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
	return s.stage(&tarDiffer{ctx: ctx, r: r, single: s.single})
}

func (s *Store) stage(d graphdriver.Differ) (*Staged, error) {
	// Should this process be killed, its scratch directory tells the next one
	// that there are staged layers to be swept.
	if _, err := s.Scratch(); err != nil {
		return nil, err
	}
	gate, err := s.stagingGate(unix.LOCK_SH)
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
	ctx    context.Context
	r      io.Reader
	single bool
}

func (d *tarDiffer) Close() error { return nil }

// ApplyDiff extracts into dest and, in the same pass, hashes the stream and
// records its headers and padding, so that the very same bytes can be made
// again for a push.
func (d *tarDiffer) ApplyDiff(dest string, o *archive.TarOptions, _ *graphdriver.DifferOptions) (graphdriver.DriverWithDifferOutput, error) {
	var out graphdriver.DriverWithDifferOutput
	rec, err := newRecorder(&contextReader{d.ctx, d.r})
	if err != nil {
		return out, err
	}
	o.InUserNS = true
	o.IgnoreChownErrors = d.single
	o.WhiteoutFormat = archive.OverlayWhiteoutFormat
	watch := &attributeWatch{r: rec}
	err = archive.Unpack(watch, dest, o)
	if err == nil && watch.seen {
		err = stripAttributes(dest)
	}
	if err == nil {
		// Padding behind the end marker belongs to the stream.
		_, err = io.Copy(io.Discard, rec)
	}
	// Of a stream that was given up the recording has nothing to say.
	if ferr := rec.finish(); err == nil {
		err = ferr
	}
	if err != nil {
		rec.split.Close()
		return out, err
	}
	out.UncompressedDigest, out.Size, out.TarSplit = rec.sum.Digest(), rec.size, rec.split
	if st, err := os.Stat(dest); err == nil {
		mode := st.Mode()
		out.RootDirMode = &mode
	}
	return out, nil
}

// recorder hashes a tar stream and records it for tar-split on the way.
type recorder struct {
	io.Reader
	sum   digest.Digester
	size  int64
	split *os.File // in memory: it is small, and thrown away on failure
	buf   *bufio.Writer
	done  <-chan error
	pipe  io.Closer
}

func newRecorder(r io.Reader) (*recorder, error) {
	fd, err := unix.MemfdCreate("tar-split", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	rec := &recorder{sum: digest.SHA256.Digester(), split: os.NewFile(uintptr(fd), "tar-split")}
	rec.buf = bufio.NewWriterSize(rec.split, 256<<10)
	count := io.TeeReader(r, &counter{rec})
	in, done, err := asm.NewInputTarStreamWithDone(count, tarstorage.NewJSONPacker(rec.buf), tarstorage.NewDiscardFilePutter())
	if err != nil {
		rec.split.Close()
		return nil, err
	}
	rec.Reader, rec.done, rec.pipe = in, done, in
	return rec, nil
}

type counter struct{ rec *recorder }

func (c *counter) Write(p []byte) (int, error) {
	c.rec.size += int64(len(p))
	return c.rec.sum.Hash().Write(p)
}

// finish waits for the recording side, which runs beside the reader.
func (rec *recorder) finish() error {
	cerr := rec.pipe.Close()
	return errors.Join(<-rec.done, cerr, rec.buf.Flush())
}

type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
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
	if s.HasLayer(id) {
		if blob != nil {
			return id, s.AddBlob(id, *blob)
		}
		return id, nil
	}
	// Before a record says that the layer is complete, its files are.
	if s.unsynced.Swap(false) {
		if err := s.Sync(); err != nil {
			return "", fmt.Errorf("commit layer: %w", err)
		}
	}
	if blob != nil {
		st.out.CompressedDigest = blob.Digest
	}
	out := st.out
	st.out = nil
	_, err := s.lib.ApplyStagedLayer(storage.ApplyStagedLayerOptions{
		ID: string(id), ParentLayer: string(parent), DiffOutput: out,
		DiffOptions: &graphdriver.ApplyDiffWithDifferOpts{},
	})
	_ = os.Remove(filepath.Dir(out.Target)) // the library leaves it behind, empty
	if err != nil {
		if s.HasLayer(id) { // another command was quicker
			err = nil
		} else {
			return "", explain(fmt.Errorf("commit layer %.12s: %w", id, err))
		}
	}
	if blob != nil {
		return id, s.AddBlob(id, *blob)
	}
	return id, err
}

// Dir is an empty directory pair that becomes a layer.
type Dir struct {
	Upper, Work string
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

// StageDir makes a layer of a directory in overlay's own form, without copying
// it: the stream that a registry would get is made once, to know its digest,
// and the directory itself becomes the layer. Upper is moved.
func (s *Store) StageDir(ctx context.Context, d *Dir, lowers []string) (*Staged, error) {
	st, err := s.stage(&dirDiffer{ctx: ctx, dir: d, lowers: lowers})
	if err != nil {
		return nil, err
	}
	return st, d.Discard()
}

// StageUpper makes a layer of the upper directory of a container, which stays
// as it is. skip names, relative to the root, what is left out while it is
// empty and not in a layer below.
func (s *Store) StageUpper(ctx context.Context, upper string, lowers, skip []string) (*Staged, error) {
	pr, pw := io.Pipe()
	go func() { pw.CloseWithError(writeLayer(ctx, pw, upper, lowers, skip)) }()
	st, err := s.StageTar(ctx, pr)
	pr.CloseWithError(err)
	return st, err
}

// dirDiffer is a graphdriver.Differ that takes over a directory.
type dirDiffer struct {
	ctx    context.Context
	dir    *Dir
	lowers []string
}

func (d *dirDiffer) Close() error { return nil }

func (d *dirDiffer) ApplyDiff(dest string, _ *archive.TarOptions, _ *graphdriver.DifferOptions) (graphdriver.DriverWithDifferOutput, error) {
	var out graphdriver.DriverWithDifferOutput
	pr, pw := io.Pipe()
	go func() { pw.CloseWithError(writeLayer(d.ctx, pw, d.dir.Upper, d.lowers, nil)) }()
	rec, err := newRecorder(pr)
	if err != nil {
		pr.CloseWithError(err)
		return out, err
	}
	_, err = io.Copy(io.Discard, rec)
	if err := errors.Join(err, rec.finish()); err != nil {
		rec.split.Close()
		return out, err
	}
	st, err := os.Stat(d.dir.Upper)
	if err == nil {
		err = errors.Join(os.Remove(dest), os.Rename(d.dir.Upper, dest))
	}
	if err != nil {
		rec.split.Close()
		return out, err
	}
	mode := st.Mode()
	out.RootDirMode = &mode
	out.UncompressedDigest, out.Size, out.TarSplit = rec.sum.Digest(), rec.size, rec.split
	return out, nil
}
