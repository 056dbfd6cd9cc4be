// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// HasBlob reports whether the repository has a blob of that digest and size.
func (r *Repository) HasBlob(ctx context.Context, desc ocispec.Descriptor) (bool, error) {
	c, err := r.connect(ctx, len(r.endpoints)-1)
	if err != nil {
		return false, err
	}
	resp, err := c.request(ctx, http.MethodHead, c.base+"/blobs/"+desc.Digest.String(), nil, nil, http.StatusOK)
	var refused *Error
	if errors.As(err, &refused) && refused.Status == http.StatusNotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	resp.Body.Close()
	return resp.ContentLength < 0 || resp.ContentLength == desc.Size, nil
}

// MountBlob asks the registry to take a blob over from another of its
// repositories. That it will not is no error.
func (r *Repository) MountBlob(ctx context.Context, dig digest.Digest, from string) (bool, error) {
	c, err := r.connect(ctx, len(r.endpoints)-1)
	if err != nil {
		return false, err
	}
	q := url.Values{"mount": {dig.String()}, "from": {from}}
	resp, err := c.request(ctx, http.MethodPost, c.base+"/blobs/uploads/?"+q.Encode(), nil, nil, http.StatusCreated, http.StatusAccepted)
	if err != nil {
		return false, err
	}
	resp.Body.Close()
	if resp.StatusCode == http.StatusCreated {
		return true, nil
	}
	// It has begun an upload instead, which nobody will end.
	if u, err := resp.Location(); err == nil {
		if resp, err := c.request(ctx, http.MethodDelete, u.String(), nil, nil, http.StatusNoContent, http.StatusOK, http.StatusAccepted); err == nil {
			resp.Body.Close()
		}
	}
	return false, nil
}

// PutBlob uploads a blob; open is called for every attempt.
func (r *Repository) PutBlob(ctx context.Context, desc ocispec.Descriptor, open func() (io.ReadCloser, error)) error {
	c, err := r.connect(ctx, len(r.endpoints)-1)
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		err := c.putBlob(ctx, desc, open)
		var refused *Error
		if err == nil || try == maxTries || ctx.Err() != nil || errors.As(err, &refused) && refused.Status != 0 && refused.Status < 500 {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(try) * 200 * time.Millisecond):
		}
	}
}

func (c *connection) putBlob(ctx context.Context, desc ocispec.Descriptor, open func() (io.ReadCloser, error)) error {
	resp, err := c.request(ctx, http.MethodPost, c.base+"/blobs/uploads/", nil, nil, http.StatusAccepted)
	if err != nil {
		return err
	}
	resp.Body.Close()
	target, err := resp.Location()
	if err != nil {
		return fmt.Errorf("upload blob: %w", err)
	}
	q := target.Query()
	q.Set("digest", desc.Digest.String())
	target.RawQuery = q.Encode()
	body, err := open()
	if err != nil {
		return err
	}
	defer body.Close()
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, target.String(), body)
	if err != nil {
		return err
	}
	req.ContentLength = desc.Size
	req.GetBody = open // for a registry that puts off, or asks who we are only now
	if desc.Size == 0 {
		req.Body = http.NoBody
	}
	req.Header.Set("Content-Type", "application/octet-stream")
	resp, err = c.client.Do(req)
	if err != nil {
		return explain(req.URL.Host, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		return explain(req.URL.Host, checkStatus(resp))
	}
	return nil
}

// PutManifest uploads a manifest under a tag or its digest.
func (r *Repository) PutManifest(ctx context.Context, ref string, m Manifest) error {
	c, err := r.connect(ctx, len(r.endpoints)-1)
	if err != nil {
		return err
	}
	resp, err := c.request(ctx, http.MethodPut, c.base+"/manifests/"+ref, http.Header{"Content-Type": {m.MediaType}}, bytes.NewReader(m.Body), http.StatusCreated, http.StatusOK)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}
