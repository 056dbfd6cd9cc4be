// SPDX-License-Identifier: Apache-2.0

package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
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
		{"GET", "/containers/{name}/attach/ws", attachWebsocket, ""},
	}
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
	a, err := attach(c, c.flag("stdin"), c.flag("stdout"), c.flag("stderr"))
	if err != nil {
		return err
	}
	defer a.close()
	conn, err := c.hijack(!a.ctr.Process.Tty)
	if err != nil {
		return err
	}
	a.carry(conn, a.ctr.Process.Tty)
	return nil
}

// attach finds the container, and makes sure that nothing is missed of its next start
// if it does not run.
func attach(c *call, stdin, stdout, stderr bool) (*attaching, error) {
	keys, err := detachKeys(c.text("detachKeys"))
	if err != nil {
		return nil, err
	}
	cs, ctr, err := c.container()
	if err != nil {
		return nil, err
	}
	switch ctr.State.Status {
	case container.Paused:
		return nil, docker.Refuse(docker.Conflict, "container %s is paused, unpause the container before attach", c.name)
	case container.Restarting:
		return nil, docker.Refuse(docker.Conflict, "container %s is restarting, wait until the container is running", c.name)
	}
	a := &attaching{call: c, cs: cs, ctr: ctr, keys: keys, how: control.Attach{
		Stdin: stdin && ctr.Process.OpenStdin, Stdout: stdout, Stderr: stderr && !ctr.Process.Tty,
	}}
	if ctr.Process.Tty { // whose two outputs are one
		a.how.Stdout = stdout || stderr
	}
	if c.flag("stream") && !ctr.State.IsRunning() {
		// Before the answer: who has that may start the container, and misses nothing.
		if a.guest, err = client.Await(cs, ctr); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func (a *attaching) close() {
	if a.guest != nil {
		a.guest.Close()
	}
}

// carry does what was asked for on a connection, which it closes. plain says that the
// two outputs are not told apart on it.
func (a *attaching) carry(conn *conn, plain bool) {
	a.conn = conn
	defer conn.Close()
	ctx, stop := conn.gone(a.ctx())
	defer stop()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	a.stdout, a.stderr = multiplex(conn, plain)
	if a.flag("logs") {
		a.replay(ctx)
	}
	var err error
	if a.flag("stream") {
		err = a.stream(ctx)
	}
	if err != nil && ctx.Err() == nil && !toldElsewhere(err) {
		fmt.Fprintln(a.stdout, "Error attaching:", err)
	}
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

	stdout, stderr io.Writer // of the connection
}

// replay sends what has been logged.
func (a *attaching) replay(ctx context.Context) {
	_ = client.Logs(ctx, a.cs, a.ctr, logfile.Options{Tail: -1}, func(e logfile.Entry) error {
		w, wanted := a.stdout, a.how.Stdout
		if e.Stream == "stderr" {
			w, wanted = a.stderr, a.how.Stderr
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
	if a.how.Stdout {
		if err := out.pipe(a.stdout); err != nil {
			return err
		}
	}
	if a.how.Stderr {
		if err := out.pipe(a.stderr); err != nil {
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
	if a.conn.ws != nil { // which has no half of it that ends by itself
		detached = eitherOf(detached, read)
	}
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
		return client.Attach(ctx, a.cs, a.ctr, &a.how, out)
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
