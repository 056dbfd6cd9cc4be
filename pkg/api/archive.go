// SPDX-License-Identifier: Apache-2.0

package api

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"strings"
	"time"

	moby "github.com/moby/moby/api/types/container"

	"coracle/pkg/container"
	ctrfiles "coracle/pkg/container/archive"
	"coracle/pkg/container/transfer"
	"coracle/pkg/docker"
	"coracle/pkg/oci"
)

func archiveEndpoints() []endpoint {
	return []endpoint{
		{"HEAD", "/containers/{name}/archive", statArchive, ""},
		{"GET", "/containers/{name}/archive", getArchive, ""},
		{"PUT", "/containers/{name}/archive", putArchive, ""},
		{"GET", "/containers/{name}/export", exportContainer, ""},
		{"GET", "/containers/{name}/changes", listChanges, ""},
	}
}

// place is the path that a call is about. A slash or /. at its end says something.
func (c *call) place() (string, error) {
	p := c.text("path")
	if p == "" {
		return "", invalid("bad parameter: path cannot be empty")
	}
	end := ""
	switch {
	case strings.HasSuffix(p, "/."):
		end = "/."
	case strings.HasSuffix(p, "/") && path.Clean(p) != "/":
		end = "/"
	}
	return path.Join("/", p) + end, nil
}

// explain says in Docker's words that a path leads to nothing.
func (c *call) explain(err error) error {
	var missing *transfer.NotFoundError
	var file *transfer.NotDirectoryError
	var closed *transfer.ReadOnlyError
	var none *transfer.NotArchiveError
	switch {
	case errors.As(err, &missing):
		return docker.Refuse(docker.NotFound, "Could not find the file %s in container %s", missing.Path, c.name)
	case errors.As(err, &file):
		return invalid("extraction point is not a directory")
	case errors.As(err, &closed):
		return docker.Refuse(docker.Forbidden, "%w", closed)
	case errors.As(err, &none):
		return invalid("%w", none)
	}
	return err
}

// setStat says in a header what is at a path.
func (c *call) setStat(st moby.PathStat) error {
	if path.Base(c.text("path")) == "." { // what is in it, which has no name
		st.Name = "."
	}
	data, err := json.Marshal(st)
	if err == nil {
		c.w.Header().Set("X-Docker-Container-Path-Stat", base64.StdEncoding.EncodeToString(data))
	}
	return err
}

// inContainer is the path that is asked for, and whose it is.
func (c *call) inContainer() (p string, cs *container.Store, ctr *container.Container, err error) {
	if p, err = c.place(); err == nil {
		cs, ctr, err = c.container()
	}
	return p, cs, ctr, err
}

func statArchive(c *call) error {
	p, cs, ctr, err := c.inContainer()
	if err != nil {
		return err
	}
	st, err := ctrfiles.Stat(c.ctx(), cs, ctr, p, false)
	if err == nil {
		err = c.setStat(st)
	}
	if err != nil {
		return c.explain(err)
	}
	return c.done(http.StatusOK)
}

func getArchive(c *call) error {
	p, cs, ctr, err := c.inContainer()
	if err != nil {
		return err
	}
	found := make(chan struct{})
	return c.explain(c.tar(found, func(ctx context.Context, w *os.File) ([]string, error) {
		o := ctrfiles.OutOptions{Path: p, As: strings.TrimPrefix(transfer.BaseName(p), "/")}
		if strings.HasSuffix(p, "/.") { // what is in the directory, which has no name then
			o.As, o.Follow = ".", true
		}
		return ctrfiles.Out(ctx, cs, ctr, w, o, func(st moby.PathStat) error {
			defer close(found)
			return c.setStat(st)
		})
	}))
}

func exportContainer(c *call) error {
	cs, ctr, err := c.container()
	if err != nil {
		return err
	}
	return c.tar(nil, func(ctx context.Context, w *os.File) ([]string, error) { return ctrfiles.Export(ctx, cs, ctr, w) })
}

// tar answers with what write writes to a file, when ready is closed, if it is not nil.
func (c *call) tar(ready <-chan struct{}, write func(context.Context, *os.File) (left []string, err error)) error {
	return c.download("application/x-tar", ready, func(w *os.File) error {
		left, err := write(c.ctx(), w)
		for _, line := range left {
			c.e.logf("%s: left out: %s", c.name, line)
		}
		return err
	})
}

func putArchive(c *call) error {
	p, cs, ctr, err := c.inContainer()
	if err != nil {
		return err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	ctx, cancel := context.WithCancel(c.ctx())
	defer cancel()
	sent := make(chan error, 1)
	go func() {
		defer w.Close()
		plain, err := oci.Decompress(c.r.Body)
		if err == nil {
			_, err = io.Copy(w, plain)
			cerr := plain.Close()
			err = cmp.Or(err, cerr) // which says the same again
		}
		if err != nil {
			cancel() // what is not whole is no archive
		}
		sent <- err
	}()
	_, err = ctrfiles.In(ctx, cs, ctr, r, ctrfiles.InOptions{Path: p, Owners: true}, nil)
	if err == nil {
		_, _ = io.Copy(io.Discard, r) // what follows the end of an archive
	} else { // a client that has more to send, or hesitates, is not waited for
		r.Close()
		c.w.Header().Set("Connection", "close") // as in upload
		_ = http.NewResponseController(c.w).SetReadDeadline(time.Now())
	}
	if serr := <-sent; serr != nil && (err == nil || errors.Is(err, context.Canceled)) {
		err = invalid("read archive: %w", serr)
	}
	if err != nil {
		return c.explain(err)
	}
	return c.done(http.StatusOK)
}

func listChanges(c *call) error {
	cs, ctr, err := c.container()
	if err != nil {
		return err
	}
	list, err := ctrfiles.Changes(c.ctx(), cs, ctr)
	if err != nil {
		return fmt.Errorf("changes of container %s: %w", c.name, err)
	}
	return c.answer(http.StatusOK, list)
}
