// SPDX-License-Identifier: Apache-2.0

package control

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/moby/moby/api/types/registry"
	"github.com/moby/patternmatcher/ignorefile"
	"golang.org/x/sys/unix"

	"coracle/pkg/api/buildkit/session"
	"coracle/pkg/dockerfile"
)

// client is the one of a build, as package dockerfile asks it.
type client struct {
	*calls
	job    *job
	attrs  map[string]string
	source source
	ignore []byte // DOCKERFILE.dockerignore, nil without one
	cancel func(error)
}

// maxText bounds a Dockerfile and an ignore file, with what lies beside them in an
// archive.
const maxText = 8 << 20

// open opens what the build is made from: the Dockerfile, or an archive with it.
func (c *client) open(ctx context.Context, r *dockerfile.Request) (io.Closer, error) {
	if c.source.upload != nil {
		return c.openUpload(ctx, r)
	}
	ignore := c.source.file + ".dockerignore"
	lower := path.Join(path.Dir(c.source.file), "dockerfile")
	files, err := c.texts(ctx, c.source.dir, c.source.file, ignore, lower)
	if err != nil {
		return nil, fmt.Errorf("failed to read dockerfile: %w", err)
	}
	text, ok := files[c.source.file]
	if !ok && path.Base(c.source.file) == "Dockerfile" {
		text, ok = files[lower]
	}
	if !ok {
		return nil, fmt.Errorf("failed to read dockerfile: open %s: no such file or directory", c.source.file)
	}
	c.ignore = files[ignore]
	r.Source, err = inMemory(text)
	return r.Source, err
}

// openUpload takes the archive from the client's standard input.
func (c *client) openUpload(ctx context.Context, r *dockerfile.Request) (io.Closer, error) {
	s, err := c.sessionFor(ctx, c.job, nil, "")
	if err != nil {
		return nil, err
	}
	from, to, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	go func() {
		defer to.Close()
		if err := s.Upload(ctx, c.source.upload, to); err != nil && !errors.Is(err, unix.EPIPE) {
			c.cancel(err) // what came is a part
		}
	}()
	r.Source, r.Archive = from, true
	return from, nil
}

// texts are small files of one of the client's directories, by their names; links among
// them are followed. Those that are not there are left out.
func (c *client) texts(ctx context.Context, dir string, names ...string) (map[string][]byte, error) {
	s, err := c.sessionFor(ctx, c.job, c.attrs, dir)
	if err != nil {
		return nil, err
	}
	var archive bounded
	if err := s.Files(ctx, session.Directory{Name: dir, Follow: names}, &archive); err != nil {
		return nil, err
	}
	files, links := map[string][]byte{}, map[string]string{}
	in := tar.NewReader(&archive.Buffer)
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		switch h.Typeflag {
		case tar.TypeReg:
			files[h.Name], err = io.ReadAll(in)
		case tar.TypeSymlink:
			links[h.Name] = path.Join(path.Dir(h.Name), h.Linkname)
		case tar.TypeLink:
			links[h.Name] = h.Linkname
		}
		if err != nil {
			return nil, err
		}
	}
	found := map[string][]byte{}
	for _, n := range names {
		at := n
		for range 40 { // as many links as the kernel follows
			if to, ok := links[at]; ok {
				at = to
			}
		}
		if text, ok := files[at]; ok {
			found[n] = text
		}
	}
	return found, nil
}

// bounded is a buffer that does not grow beyond maxText.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxText {
		return 0, fmt.Errorf("larger than %d bytes", maxText)
	}
	return b.Buffer.Write(p)
}

// Directory satisfies dockerfile.Client. What an ignore file names is not sent.
func (c *client) Directory(ctx context.Context, name string, paths []string, w io.Writer) error {
	ignore := []byte(nil)
	if name == dockerfile.ContextName {
		name, ignore = c.source.context, c.ignore
	}
	if ignore == nil {
		files, err := c.texts(ctx, name, ".dockerignore")
		if err != nil {
			return err
		}
		ignore = files[".dockerignore"]
	}
	d := session.Directory{Name: name, Follow: paths}
	var err error
	if d.Exclude, err = ignorefile.ReadAll(bytes.NewReader(ignore)); err != nil {
		return fmt.Errorf("read .dockerignore: %w", err)
	}
	s, err := c.sessionFor(ctx, c.job, c.attrs, name)
	if err != nil {
		return err
	}
	return s.Files(ctx, d, w)
}

// Secret satisfies dockerfile.Client.
func (c *client) Secret(ctx context.Context, id string) ([]byte, error) {
	s, err := c.sessionFor(ctx, c.job, nil, "")
	if err != nil {
		return nil, err
	}
	value, err := s.Secret(ctx, id)
	if errors.Is(err, session.ErrNotFound) {
		return nil, fs.ErrNotExist
	}
	if err == nil && len(value) > dockerfile.MaxSecret {
		return nil, fmt.Errorf("larger than %d bytes", dockerfile.MaxSecret)
	}
	return value, err
}

// Credentials satisfies dockerfile.Client. Docker's hub has another name there.
func (c *client) Credentials(ctx context.Context, server string) (*registry.AuthConfig, error) {
	s, err := c.sessionFor(ctx, c.job, nil, "")
	if err != nil {
		return nil, err
	}
	if server == "docker.io" {
		server = "registry-1.docker.io"
	}
	user, secret, err := s.Credentials(ctx, server)
	switch {
	case err != nil:
		return nil, fmt.Errorf("get credentials for %s: %w", server, err)
	case user == "" && secret == "":
		return nil, nil
	case user == "" || strings.EqualFold(user, "<token>"):
		return &registry.AuthConfig{IdentityToken: secret}, nil
	}
	return &registry.AuthConfig{Username: user, Password: secret}, nil
}
