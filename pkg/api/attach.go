// SPDX-License-Identifier: Apache-2.0

package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"

	"coracle/pkg/container"
	"coracle/pkg/container/client"
	"coracle/pkg/container/control"
	"coracle/pkg/container/logfile"
	"coracle/pkg/docker"
)

func attachEndpoints() []endpoint {
	return []endpoint{
		{"POST", "/containers/{name}/attach", attachContainer, ""},
		{"GET", "/containers/{name}/attach/ws", refuseWebsocket, ""},
	}
}

func refuseWebsocket(*call) error {
	return docker.Refuse(docker.NotSupported, "attaching by a websocket is not supported: POST /containers/{id}/attach takes the connection over")
}

// detachKeys are those that a client asks for.
func detachKeys(asked string) ([]byte, error) {
	keys, err := control.ParseDetachKeys(cmp.Or(asked, control.DetachKeys))
	if err != nil {
		return nil, invalid("Invalid detach keys (%s) provided", asked)
	}
	return keys, nil
}

func attachContainer(c *call) error {
	keys, err := detachKeys(c.text("detachKeys"))
	if err != nil {
		return err
	}
	cs, ctr, err := c.container()
	if err != nil {
		return err
	}
	switch ctr.State.Status {
	case container.Paused:
		return docker.Refuse(docker.Conflict, "container %s is paused, unpause the container before attach", c.name)
	case container.Restarting:
		return docker.Refuse(docker.Conflict, "container %s is restarting, wait until the container is running", c.name)
	}
	a := &attaching{call: c, cs: cs, ctr: ctr, keys: keys, how: control.Attach{
		Stdin: c.flag("stdin") && ctr.Process.OpenStdin, Stdout: c.flag("stdout"), Stderr: c.flag("stderr") && !ctr.Process.Tty,
	}}
	if ctr.Process.Tty { // whose two outputs are one
		a.how.Stdout = c.flag("stdout") || c.flag("stderr")
	}
	stream := c.flag("stream")
	if stream && !ctr.State.IsRunning() {
		// Before the answer: who has that may start the container, and misses nothing.
		if a.guest, err = client.Await(cs, ctr); err != nil {
			return err
		}
		defer a.guest.Close()
	}
	if a.conn, err = c.hijack(!ctr.Process.Tty); err != nil {
		return err
	}
	defer a.conn.Close()
	ctx, stop := a.conn.gone(c.ctx())
	defer stop()
	defer context.AfterFunc(ctx, func() { a.conn.Close() })()
	if c.flag("logs") {
		a.replay(ctx)
	}
	if stream {
		err = a.stream(ctx)
	}
	if err != nil && ctx.Err() == nil && !toldElsewhere(err) {
		out, _ := multiplex(a.conn, ctr.Process.Tty)
		fmt.Fprintln(out, "Error attaching:", err)
	}
	return nil
}

// attaching is a client and the first process of a container.
type attaching struct {
	*call
	cs    *container.Store
	ctr   *container.Container
	keys  []byte
	how   control.Attach
	guest *client.Guest // until the container runs
	conn  *conn
}

// replay sends what has been logged.
func (a *attaching) replay(ctx context.Context) {
	out, errs := multiplex(a.conn, a.ctr.Process.Tty)
	_ = client.Logs(ctx, a.cs, a.ctr, logfile.Options{Tail: -1}, func(e logfile.Entry) error {
		w, wanted := out, a.how.Stdout
		if e.Stream == "stderr" {
			w, wanted = errs, a.flag("stderr")
		}
		if !wanted {
			return nil
		}
		_, err := w.Write(e.Text)
		return err
	})
}

// stream carries input and output until the process ends, the client leaves it or is
// gone.
func (a *attaching) stream(ctx context.Context) error {
	var out outputs
	defer out.copies.Wait()
	defer out.cut()
	defer out.handedOver()
	stdout, stderr := multiplex(a.conn, a.ctr.Process.Tty)
	if a.how.Stdout {
		if err := out.pipe(stdout); err != nil {
			return err
		}
	}
	if a.how.Stderr {
		if err := out.pipe(stderr); err != nil {
			return err
		}
	}
	ses, err := a.join(ctx, out.theirs)
	if err != nil {
		return err
	}
	defer ses.Close()
	out.handedOver()
	var in *os.File
	if a.how.Stdin {
		in = ses.Stdin
	}
	defer func() {
		if ses.Stdin != nil {
			ses.Stdin.Close()
		}
	}()
	detached, read := a.conn.input(in, a.ctr.Process.Tty, a.keys)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = ses.Exit() // which comes after all output
	}()
	select {
	case <-detached:
		_ = ses.Detach()
		<-ended
	case <-ended:
		out.copies.Wait()
	}
	a.conn.part(read)
	return nil
}

// join attaches to the process that runs, or to that of the next start. A container
// that is removed before ends it; so does one that cannot be started.
func (a *attaching) join(ctx context.Context, out []*os.File) (*client.Session, error) {
	if a.guest == nil {
		return client.Attach(ctx, a.ctr, &a.how, out)
	}
	return a.guest.Attach(ctx, a.ctr, &a.how, out)
}

// toldElsewhere are the ends of a wait for a start that whoever starts or removes the
// container hears of.
func toldElsewhere(err error) bool {
	var failed *control.StartError
	var gone *container.NotFoundError
	return errors.As(err, &failed) || errors.As(err, &gone)
}
