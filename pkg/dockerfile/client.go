// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"github.com/docker/go-units"
	"github.com/moby/moby/api/types/registry"
	"golang.org/x/sys/unix"

	"coracle/pkg/cancel"
	"coracle/pkg/dockerfile/files"
	"coracle/pkg/dockerfile/plan"
	"coracle/pkg/wire/socket"
)

// Client has what a build is made from when that is not on this host. It is asked
// for what turns out to be needed, from several goroutines.
type Client interface {
	// Directory writes the files of a directory as an archive: those that paths name,
	// with what their links lead to; none: all. ContextName is the context's.
	Directory(ctx context.Context, name string, paths []string, w io.Writer) error
	// Secret is a secret; fs.ErrNotExist: there is none of that name.
	Secret(ctx context.Context, id string) ([]byte, error)
	// Credentials are those for a registry, or nil.
	Credentials(ctx context.Context, server string) (*registry.AuthConfig, error)
}

// ContextName is how a client's context is asked for.
const ContextName = "context"

// question is what a worker asks: one of the fields.
type question struct {
	Directory string
	Paths     []string
	Sent      bool // the last directory is here: was it all?
	Secret    string
	Registry  string
}

// answer is what it gets. A directory comes as a descriptor.
type answer struct {
	Error   string
	Missing bool
	Secret  []byte
	Auth    *registry.AuthConfig
}

// serve answers the questions of one build until the other side is gone.
func serve(ctx context.Context, c Client, conn *socket.Conn) {
	ctx, cancel := context.WithCancel(ctx)
	var sending sync.WaitGroup
	defer sending.Wait()
	defer cancel()
	sent := make(chan error, 1)
	for {
		var q question
		got, err := conn.Receive(&q)
		if err != nil {
			return
		}
		for _, f := range got {
			f.Close()
		}
		var a answer
		var along []*os.File
		switch {
		case q.Directory != "":
			r, w, perr := os.Pipe()
			if err = perr; err == nil {
				along = []*os.File{r}
				sending.Go(func() {
					err := c.Directory(ctx, q.Directory, q.Paths, w)
					w.Close()
					if errors.Is(err, unix.EPIPE) { // who reads knows why
						err = nil
					}
					sent <- err
				})
			}
		case q.Sent:
			err = <-sent
		case q.Registry != "":
			a.Auth, err = c.Credentials(ctx, q.Registry)
		default:
			a.Secret, err = c.Secret(ctx, q.Secret)
		}
		if err != nil {
			a.Error, a.Missing = err.Error(), errors.Is(err, fs.ErrNotExist)
		}
		err = conn.Send(a, along...)
		for _, f := range along {
			f.Close()
		}
		if err != nil {
			return
		}
	}
}

// asker asks the client of a build.
type asker struct {
	conn *socket.Conn
	mu   sync.Mutex // one question at a time
}

// client is who asks the client of a build, or nil of one without.
func (p parcel) client(list []*os.File) (*asker, error) {
	if p.Client <= 0 || p.Client > len(list) {
		return nil, nil
	}
	conn, err := socket.FromFile(list[p.Client-1])
	if err != nil {
		return nil, err
	}
	return &asker{conn: conn}, nil
}

func (a *asker) close() {
	if a != nil {
		a.conn.Close()
	}
}

// ask asks one question. a.mu is held.
func (a *asker) ask(ctx context.Context, q question) (answer, []*os.File, error) {
	stop := context.AfterFunc(ctx, func() { a.conn.Close() })
	defer stop()
	var got answer
	var along []*os.File
	err := a.conn.Send(q)
	if err == nil {
		along, err = a.conn.Receive(&got)
	}
	switch {
	case ctx.Err() != nil:
		err = ctx.Err()
	case err != nil:
		err = fmt.Errorf("ask client: %w", err)
	case got.Missing:
		err = fs.ErrNotExist
	case got.Error != "":
		err = errors.New(got.Error)
	}
	return got, along, err
}

// secret is one that the client may have.
func (a *asker) secret(ctx context.Context, id string) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	got, _, err := a.ask(ctx, question{Secret: id})
	return got.Secret, err
}

// credentials are those that the client has for a registry, or nil.
func (a *asker) credentials(ctx context.Context, server string) (*registry.AuthConfig, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	got, _, err := a.ask(ctx, question{Registry: server})
	return got.Auth, err
}

// directory takes a directory of the client's. take reads it as an archive.
func (a *asker) directory(ctx context.Context, name string, paths []string, take func(io.Reader) error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, along, err := a.ask(ctx, question{Directory: name, Paths: paths})
	if err == nil && len(along) != 1 {
		err = errors.New("ask client: no directory came along")
	}
	if err != nil {
		return err
	}
	defer along[0].Close()
	err = take(cancel.WaitingReader(ctx, along[0]))
	along[0].Close() // nobody is to wait for us
	if _, _, why := a.ask(ctx, question{Sent: true}); why != nil {
		return why // what came is a part
	}
	return err
}

// receive brings a directory of the client's here, and says how many bytes came.
func (b *sources) receive(name string, paths []string, came func(int64)) (t *files.Tree, err error) {
	err = b.client.directory(b.Ctx, name, paths, func(in io.Reader) (err error) {
		n := &counter{Reader: in}
		t, err = b.unpackContext(n)
		if came != nil {
			came(n.bytes)
		}
		return err
	})
	if err != nil && t != nil {
		t.Close()
	}
	return t, err
}

// counter counts what is read.
type counter struct {
	io.Reader
	bytes int64
}

// Read satisfies io.Reader.
func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.bytes += int64(n)
	return n, err
}

// receiveContext brings what of the client's context the plan takes.
func (b *sources) receiveContext(g *plan.Graph) error {
	paths, some := g.ContextPaths()
	if b.client == nil || b.context != nil || !some {
		return nil
	}
	v := b.Tell.Start("[internal] load build context")
	t, err := b.receive(ContextName, paths, func(size int64) {
		v.Status(fmt.Sprintf("transferring context: %s done", units.HumanSize(float64(size))))
	})
	if err != nil {
		return v.Fail(err)
	}
	b.context = t
	v.Finish()
	return nil
}
