// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Media types of Docker's image manifests, version 2, schema 2, and of what is
// no longer read.
const (
	Schema1        = "application/vnd.docker.distribution.manifest.v1+json"
	Schema1Signed  = "application/vnd.docker.distribution.manifest.v1+prettyjws"
	DockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	DockerIndex    = "application/vnd.docker.distribution.manifest.list.v2+json"
	DockerConfig   = "application/vnd.docker.container.image.v1+json"
	DockerLayer    = "application/vnd.docker.image.rootfs.diff.tar.gzip"
)

const maxManifest = 4 << 20

var accept = strings.Join([]string{DockerManifest, DockerIndex, ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageIndex}, ", ")

// Manifest is a manifest or an index as a registry has it.
type Manifest struct {
	Body      []byte
	MediaType string
	Digest    digest.Digest // of Body
}

// Manifest fetches the manifest that a tag or a digest names.
func (r *Repository) Manifest(ctx context.Context, ref string) (Manifest, error) {
	var m Manifest
	err := r.each(ctx, func(c *connection) error {
		resp, err := c.request(ctx, http.MethodGet, c.base+"/manifests/"+ref, http.Header{"Accept": {accept}}, nil, http.StatusOK)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxManifest+1))
		if err != nil {
			return fmt.Errorf("read manifest: %w", err)
		}
		if len(body) > maxManifest {
			return fmt.Errorf("read manifest: larger than %d bytes", maxManifest)
		}
		m = Manifest{Body: body, MediaType: mediaType(body, resp.Header.Get("Content-Type")), Digest: digest.FromBytes(body)}
		if want := digest.Digest(ref); want.Validate() == nil && m.Digest != want {
			return fmt.Errorf("manifest verification failed for digest %s", want)
		}
		return nil
	})
	return m, err
}

// mediaType believes the manifest before the server.
func mediaType(body []byte, header string) string {
	var m struct {
		MediaType string `json:"mediaType"`
	}
	if json.Unmarshal(body, &m) == nil && m.MediaType != "" {
		return m.MediaType
	}
	t, _, _ := strings.Cut(header, ";")
	return strings.TrimSpace(t)
}

// Tags lists the tags of the repository.
func (r *Repository) Tags(ctx context.Context) ([]string, error) {
	var tags []string
	err := r.each(ctx, func(c *connection) error {
		tags = nil
		for url := c.base + "/tags/list"; url != ""; {
			resp, err := c.request(ctx, http.MethodGet, url, nil, nil, http.StatusOK)
			if err != nil {
				return err
			}
			var page struct {
				Tags []string `json:"tags"`
			}
			err = json.NewDecoder(io.LimitReader(resp.Body, maxManifest)).Decode(&page)
			resp.Body.Close()
			if err != nil {
				return fmt.Errorf("read tags: %w", err)
			}
			if tags = append(tags, page.Tags...); len(tags) > 100_000 {
				return errors.New("read tags: too many")
			}
			url = nextPage(resp)
		}
		return nil
	})
	return tags, err
}

// nextPage reads the Link header (RFC 8288); it must stay on the same host.
func nextPage(resp *http.Response) string {
	target, rel, ok := strings.Cut(resp.Header.Get("Link"), ">")
	if !ok || !strings.Contains(rel, "next") {
		return ""
	}
	u, err := resp.Request.URL.Parse(strings.TrimPrefix(strings.TrimSpace(target), "<"))
	if err != nil || u.Host != resp.Request.URL.Host {
		return ""
	}
	return u.String()
}

// Blob opens a blob. What it reads is checked against the size and the digest
// on the way: the last Read reports a mismatch in place of io.EOF. A connection
// that breaks is taken up where it broke.
func (r *Repository) Blob(ctx context.Context, desc ocispec.Descriptor) (io.ReadCloser, error) {
	if err := desc.Digest.Validate(); err != nil || desc.Digest.Algorithm() != digest.SHA256 {
		return nil, fmt.Errorf("fetch blob: unsupported digest %q", desc.Digest)
	}
	if desc.Size < 0 {
		return nil, fmt.Errorf("fetch blob %s: negative size", desc.Digest)
	}
	b := &blob{ctx: ctx, repo: r, desc: desc, sum: sha256.New(), tries: maxTries}
	if err := b.reopen(); err != nil {
		return nil, err
	}
	return b, nil
}

// maxTries is how often a download that makes no progress is taken up.
const maxTries = 5

// worthwhile is the progress, in bytes, after which the tries start anew.
const worthwhile = 1 << 20

type blob struct {
	ctx    context.Context
	repo   *Repository
	desc   ocispec.Descriptor
	sum    hash.Hash
	off    int64
	body   io.ReadCloser
	cancel context.CancelFunc
	stall  *time.Timer
	tries  int
	since  int64 // off at the last failure
}

// reopen asks for what is missing, at whichever endpoint has it.
func (b *blob) reopen() error {
	return b.repo.each(b.ctx, func(c *connection) error {
		ctx, cancel := context.WithCancel(b.ctx)
		header := http.Header{}
		if b.off > 0 {
			header.Set("Range", "bytes="+strconv.FormatInt(b.off, 10)+"-")
		}
		resp, err := c.request(ctx, http.MethodGet, c.base+"/blobs/"+b.desc.Digest.String(), header, nil, http.StatusOK, http.StatusPartialContent)
		if err != nil {
			cancel()
			return err
		}
		skip := b.off
		if resp.StatusCode == http.StatusPartialContent {
			skip = 0
			if !strings.HasPrefix(resp.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", b.off)) {
				err = fmt.Errorf("fetch blob %s: wrong range", b.desc.Digest)
			}
		}
		if err == nil {
			_, err = io.CopyN(io.Discard, resp.Body, skip)
		}
		if err != nil {
			resp.Body.Close()
			cancel()
			return err
		}
		b.body, b.cancel = resp.Body, cancel
		b.stall = time.AfterFunc(stallTime, cancel)
		return nil
	})
}

func (b *blob) Read(p []byte) (int, error) {
	for {
		n, err := b.read(p)
		if n > 0 || err == nil || err == io.EOF {
			return n, err
		}
		var bad *mismatchError
		if errors.As(err, &bad) || b.ctx.Err() != nil {
			return 0, err
		}
		if b.off-b.since >= worthwhile {
			b.tries = maxTries
		}
		b.since = b.off
		b.tries--
		if b.tries == 0 {
			return 0, fmt.Errorf("fetch blob %s: %w", b.desc.Digest, err)
		}
		b.drop()
		select {
		case <-b.ctx.Done():
			return 0, b.ctx.Err()
		case <-time.After(time.Duration(maxTries-b.tries) * 200 * time.Millisecond):
		}
		if rerr := b.reopen(); rerr != nil {
			b.body = nil
		}
	}
}

type mismatchError struct{ err error }

func (e *mismatchError) Error() string { return e.err.Error() }

// read is one Read of what is open now.
func (b *blob) read(p []byte) (int, error) {
	if b.body == nil {
		return 0, io.ErrUnexpectedEOF
	}
	b.stall.Reset(stallTime)
	n, err := b.body.Read(p)
	b.sum.Write(p[:n])
	b.off += int64(n)
	if b.off > b.desc.Size {
		return 0, &mismatchError{fmt.Errorf("fetch blob %s: larger than its %d bytes", b.desc.Digest, b.desc.Size)}
	}
	if err != io.EOF {
		return n, err
	}
	if b.off < b.desc.Size {
		return n, io.ErrUnexpectedEOF
	}
	if got := digest.NewDigest(digest.SHA256, b.sum); got != b.desc.Digest {
		return 0, &mismatchError{fmt.Errorf("filesystem layer verification failed for digest %s", b.desc.Digest)}
	}
	return n, io.EOF
}

func (b *blob) drop() {
	if b.body != nil {
		b.stall.Stop()
		b.body.Close()
		b.cancel()
		b.body = nil
	}
}

func (b *blob) Close() error {
	b.drop()
	return nil
}
