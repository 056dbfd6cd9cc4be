// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
)

// MaxSparse is how many bytes, holes counted, the sparse files of one archive
// may have together: a few hundred bytes can ask for any number.
const MaxSparse = 32 << 30

// IsSparse reports whether an entry has holes, in any of GNU tar's forms.
func IsSparse(h *tar.Header) bool {
	if h.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for k := range h.PAXRecords {
		if strings.HasPrefix(k, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// Filler writes the contents of an archive's files. Holes stay holes, and long
// stretches of zeros become some.
type Filler struct {
	ctx    context.Context
	buf    []byte
	sparse int64 // bytes of sparse files so far
}

// NewFiller makes one for the files of one archive.
func NewFiller(ctx context.Context) *Filler { return &Filler{ctx: ctx, buf: make([]byte, 256<<10)} }

// Fill copies the content of the entry h from r to f, which is empty.
func (w *Filler) Fill(f *os.File, r io.Reader, h *tar.Header) error {
	sparse := IsSparse(h)
	if sparse {
		if h.Size > MaxSparse-w.sparse {
			return fmt.Errorf("%.200q: sparse files with more than %d GiB in one archive are not taken", h.Name, MaxSparse>>30)
		}
		w.sparse += h.Size
	}
	least := leastHole
	if sparse {
		least = block
	}
	hole := false
	for {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		n, rerr := readFull(r, w.buf)
		for p := w.buf[:n]; len(p) > 0; {
			var run int
			var err error
			if run, hole = stretch(p, least); hole {
				_, err = f.Seek(int64(run), io.SeekCurrent)
			} else {
				_, err = f.Write(p[:run])
			}
			if err != nil {
				return err
			}
			p = p[run:]
		}
		if rerr == io.EOF {
			break
		}
		if rerr != nil {
			return rerr
		}
	}
	if hole {
		return f.Truncate(h.Size)
	}
	return nil
}

// readFull fills p, unless there is less. Unlike io.ReadFull it does not hide
// that an archive ends too early.
func readFull(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = r.Read(p[n:])
		n += m
	}
	return n, err
}

const (
	block = 4096 // of a file system
	// leastHole is how many zeros are worth a hole where the archive has none:
	// it may have been made by somebody who did not look for them.
	leastHole = 64 << 10
)

// stretch is how many bytes at the beginning of p are all of one kind: pieces
// of zeros, or pieces of anything else.
func stretch(p []byte, piece int) (n int, zero bool) {
	for n < len(p) {
		next := p[n:min(n+piece, len(p))]
		z := isZero(next) && (len(next) == piece || piece == block)
		if n == 0 {
			zero = z
		} else if z != zero {
			break
		}
		n += len(next)
	}
	return n, zero
}

func isZero(p []byte) bool {
	var zeros [block]byte
	for ; len(p) > block; p = p[block:] {
		if !bytes.Equal(p[:block], zeros[:]) {
			return false
		}
	}
	return bytes.Equal(p, zeros[:len(p)])
}
