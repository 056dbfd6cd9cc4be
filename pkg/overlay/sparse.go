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

// Filler writes the contents of an archive's files. Holes stay holes.
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
	hole := false
	for {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		n, err := r.Read(w.buf)
		for p := w.buf[:n]; len(p) > 0; {
			run := len(p)
			if hole = false; sparse {
				run, hole = stretch(p)
			}
			var werr error
			if hole {
				_, werr = f.Seek(int64(run), io.SeekCurrent)
			} else {
				_, werr = f.Write(p[:run])
			}
			if werr != nil {
				return werr
			}
			p = p[run:]
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	if hole {
		return f.Truncate(h.Size)
	}
	return nil
}

// block is the smallest hole.
const block = 4096

// stretch is how many bytes at the beginning of p are all of one kind: blocks
// of zeros, or blocks of anything else.
func stretch(p []byte) (n int, zero bool) {
	for n < len(p) {
		next := p[n:min(n+block, len(p))]
		if z := isZero(next); n == 0 {
			zero = z
		} else if z != zero {
			break
		}
		n += len(next)
	}
	return n, zero
}

// isZero looks at one block at most.
func isZero(p []byte) bool {
	var zeros [block]byte
	return bytes.Equal(p, zeros[:len(p)])
}
