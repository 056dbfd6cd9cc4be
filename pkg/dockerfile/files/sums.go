// SPDX-License-Identifier: Apache-2.0

package files

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/opencontainers/go-digest"

	"coracle/pkg/cancel"
	"coracle/pkg/state"
	"coracle/pkg/xattr"
)

// Sums remembers the digests of a context's files from build to build, so that
// a file which has not changed is not read again. A nil one knows nothing.
//
// That a file has not changed is told by its inode, size and times, as git and
// make do. A change within the resolution of the file system's clock would go
// unseen; so a digest is only kept when the file was at rest for a while.
type Sums struct {
	path string
	mu   sync.Mutex
	old  map[string]fileSum
	seen map[string]fileSum
	read int // files that had to be read
}

// restTime is longer than the tick of any clock that stamps files.
const restTime = 2 * time.Second

// clock is what file times are compared with.
var clock = time.Now

// fileSum is what a file was when it was read.
type fileSum struct {
	Dev, Ino     uint64
	Size         int64
	Mtime, Ctime int64 // nanoseconds
	Sum          string
}

// newFileSum describes a file, without its digest.
func newFileSum(info fs.FileInfo) (fileSum, bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fileSum{}, false
	}
	return fileSum{Dev: st.Dev, Ino: st.Ino, Size: st.Size, Mtime: st.Mtim.Nano(), Ctime: st.Ctim.Nano()}, true
}

// atRest reports whether the file was left alone for long enough before now.
func (f fileSum) atRest(now time.Time) bool {
	return now.Sub(time.Unix(0, max(f.Mtime, f.Ctime))) >= restTime
}

// LoadSums reads what is known of the files below context. Losing it costs time
// only.
func LoadSums(dir, context string) *Sums {
	s := &Sums{path: filepath.Join(dir, digest.FromString(context).Encoded()+".sums"), seen: map[string]fileSum{}}
	if state.ReadJSON(s.path, &s.old) != nil {
		s.old = nil
	}
	return s
}

// Save keeps what is known. After a complete build that is what the build has
// seen; one that failed may not have come to all files.
func (s *Sums) Save(complete bool) {
	if s == nil {
		return
	}
	keep := s.seen
	if !complete {
		keep = maps.Clone(s.old)
		if keep == nil {
			keep = map[string]fileSum{}
		}
		maps.Copy(keep, s.seen)
	}
	if maps.Equal(keep, s.old) {
		return
	}
	if data, err := json.Marshal(keep); err == nil {
		_ = state.WriteVolatile(s.path, data, 0o600)
	}
}

// sum is the digest of a regular file, with its extended attributes.
func (s *Sums) sum(ctx context.Context, t *Tree, it item) (string, error) {
	now, ok := newFileSum(it.info)
	if s == nil || !ok || t.Sums != s {
		sum, _, err := readSum(ctx, t, it)
		return sum, err
	}
	s.mu.Lock()
	known, found := s.old[it.name]
	if again, ok := s.seen[it.name]; ok {
		known, found = again, true
	}
	s.mu.Unlock()
	now.Sum = known.Sum
	if found && known == now {
		s.keep(it.name, known)
		return known.Sum, nil
	}
	sum, read, err := readSum(ctx, t, it)
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	s.read++
	s.mu.Unlock()
	if read.Sum != "" && read.atRest(clock()) {
		s.keep(it.name, read)
	}
	return sum, nil
}

func (s *Sums) keep(name string, f fileSum) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen[name] = f
}

// readSum reads a file. What it returns beside the digest has one only if the
// file was the same before and after.
func readSum(ctx context.Context, t *Tree, it item) (string, fileSum, error) {
	f, err := t.openRegular(it.name)
	if err != nil {
		return "", fileSum{}, err
	}
	defer f.Close()
	before, err := f.Stat()
	if err != nil {
		return "", fileSum{}, err
	}
	h := sha256.New()
	if _, err := io.Copy(h, cancel.Reader(ctx, f)); err != nil {
		return "", fileSum{}, err
	}
	attrs, err := xattr.ReadFile(f)
	if err != nil {
		return "", fileSum{}, err
	}
	if len(attrs) > 0 {
		_, _ = io.WriteString(h, attributeText(attrs))
	}
	sum := hex.EncodeToString(h.Sum(nil))
	after, err := f.Stat()
	if err != nil {
		return "", fileSum{}, err
	}
	a, okA := newFileSum(before)
	z, okZ := newFileSum(after)
	if okA && okZ && a == z {
		z.Sum = sum
		return sum, z, nil
	}
	return sum, fileSum{}, nil
}
