// SPDX-License-Identifier: Apache-2.0

package files

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

// IsRemote reports whether ADD fetches a source.
func IsRemote(src string) bool {
	for _, scheme := range []string{"http://", "https://", "git@", "git://", "ssh://"} {
		if strings.HasPrefix(src, scheme) {
			return true
		}
	}
	return false
}

// IsGit reports whether a source that ADD fetches is a repository.
func IsGit(src string) bool {
	return IsRemote(src) && (!strings.HasPrefix(src, "http") || strings.HasSuffix(strings.SplitN(src, "#", 2)[0], ".git"))
}

const (
	remoteTime = 10 * time.Minute
	maxRemote  = 4 << 30
)

// fetched is the name of the file in the tree of a download.
const fetched = "data"

// Fetch downloads a URL into dir, which is empty, and adds the file. It is
// readable by its owner alone, and as old as the server says. checksum is a
// digest that it must have, or empty.
func (c *Copy) Fetch(ctx context.Context, src, checksum, dir string, unpack bool, after func()) (*Tree, error) {
	t, err := OpenTree(dir, after)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, remoteTime)
	defer cancel()
	if err := fetch(ctx, t, src, checksum); err != nil {
		return t, err
	}
	return t, c.AddFile(t, fetched, remoteName(src), unpack)
}

// remoteName is the name of the file that a URL stands for.
func remoteName(src string) string {
	u, err := url.Parse(src)
	if err != nil {
		return "__unnamed__"
	}
	if base := path.Base(u.Path); base != "." && base != "/" {
		return base
	}
	return "__unnamed__"
}

func fetch(ctx context.Context, t *Tree, src, checksum string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, src, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("failed to load cache key: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode >= 400 {
		return fmt.Errorf("failed to load cache key: invalid response status %d", resp.StatusCode)
	}
	f, err := t.root.OpenFile(fetched, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	sum := digest.SHA256.Digester()
	n, err := io.Copy(io.MultiWriter(f, sum.Hash()), io.LimitReader(resp.Body, maxRemote+1))
	switch {
	case err != nil:
		return err
	case n > maxRemote:
		return fmt.Errorf("the file is larger than %d bytes", int64(maxRemote))
	case checksum != "" && checksum != sum.Digest().String():
		return fmt.Errorf("digest mismatch %s: %s", sum.Digest(), checksum)
	}
	when, err := http.ParseTime(resp.Header.Get("Last-Modified"))
	if err != nil {
		when = time.Unix(0, 0)
	}
	return t.root.Chtimes(fetched, when, when)
}
