// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
)

// remoteName is the name of the file that a URL stands for, or empty.
func remoteName(src string) string {
	u, err := url.Parse(src)
	if err != nil || u.Path == "" || u.Path[len(u.Path)-1] == '/' {
		return ""
	}
	return path.Base(u.Path)
}

func isRemote(src string) bool {
	for _, scheme := range []string{"http://", "https://", "git@", "git://", "ssh://"} {
		if strings.HasPrefix(src, scheme) {
			return true
		}
	}
	return false
}

func isGit(src string) bool {
	return !strings.HasPrefix(src, "http") || strings.HasSuffix(strings.SplitN(src, "#", 2)[0], ".git")
}

const (
	remoteTime = 10 * time.Minute
	maxRemote  = 4 << 30
)

// addRemote fetches a URL into a temporary directory.
func (b *builder) addRemote(p *plan, src string, c transfer) error {
	if isGit(src) {
		return fmt.Errorf("ADD %s: git repositories are not supported", src)
	}
	ctx, cancel := context.WithTimeout(b.ctx, remoteTime)
	defer cancel()
	t, err := b.fetch(ctx, src, c.checksum)
	if err != nil {
		return fmt.Errorf("ADD %s: %w", src, err)
	}
	name := remoteName(src)
	if name == "" && !p.isDir {
		name = path.Base(p.dest)
	}
	if name == "" {
		return fmt.Errorf("cannot determine filename for source %s", src)
	}
	info, err := t.root.Lstat("data")
	if err != nil {
		return err
	}
	p.items = append(p.items, item{tree: t, name: "data", target: name, info: info, unpack: c.unpack != nil && *c.unpack})
	return nil
}

// fetch downloads a URL into a tree with one file, "data". As with BuildKit the
// file is readable by its owner alone, and as old as the server says.
func (b *builder) fetch(ctx context.Context, src, checksum string) (*tree, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, src, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("invalid response status %d", resp.StatusCode)
	}
	dir, err := b.tempDir("add-")
	if err != nil {
		return nil, err
	}
	t, err := openTree(dir)
	if err != nil {
		return nil, err
	}
	t.after = func() { _ = os.RemoveAll(dir) }
	b.mu.Lock()
	b.mounts = append(b.mounts, t)
	b.mu.Unlock()
	f, err := t.root.OpenFile("data", os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sum := digest.SHA256.Digester()
	n, err := io.Copy(io.MultiWriter(f, sum.Hash()), io.LimitReader(resp.Body, maxRemote+1))
	switch {
	case err != nil:
		return nil, err
	case n > maxRemote:
		return nil, fmt.Errorf("larger than %d bytes", int64(maxRemote))
	case checksum != "" && checksum != sum.Digest().String():
		return nil, fmt.Errorf("digest mismatch %s: %s", sum.Digest(), checksum)
	}
	if when, err := http.ParseTime(resp.Header.Get("Last-Modified")); err == nil {
		_ = t.root.Chtimes("data", when, when)
	}
	return t, nil
}
