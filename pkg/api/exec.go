// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	moby "github.com/moby/moby/api/types/container"

	"coracle/pkg/container"
	"coracle/pkg/container/client"
	"coracle/pkg/container/control"
	"coracle/pkg/docker"
)

func execEndpoints() []endpoint {
	return []endpoint{
		{"POST", "/containers/{name}/exec", createExec, ""},
		{"POST", "/exec/{name}/start", startExec, ""},
		{"POST", "/exec/{name}/resize", resizeExec, ""},
		{"GET", "/exec/{name}/json", inspectExec, ""},
	}
}

func createExec(c *call) error {
	var q docker.ExecRequest
	if err := c.decode(&q); err != nil {
		return err
	}
	if len(q.Cmd) == 0 {
		return invalid("No exec command specified")
	}
	if c.before("1.42") {
		q.ConsoleSize = nil
	}
	if _, err := detachKeys(q.DetachKeys); err != nil {
		return err
	}
	cs, ctr, err := c.container()
	switch {
	case err != nil:
		return err
	case ctr.State.Status == container.Paused:
		return docker.Refuse(docker.Conflict, "container %s is paused, unpause the container before exec", ctr.ID)
	case ctr.State.Status == container.Restarting:
		return docker.Refuse(docker.Conflict, "Container %s is restarting, wait until the container is running", ctr.ID)
	}
	x := &container.Exec{Options: docker.ExecOptions(q), Stdout: q.AttachStdout, Stderr: q.AttachStderr, DetachKeys: q.DetachKeys}
	if err := cs.CreateExec(ctr, x); err != nil {
		return err
	}
	return c.answer(http.StatusCreated, moby.ExecCreateResponse{ID: x.ID})
}

func startExec(c *call) error {
	var q moby.ExecStartRequest
	if err := c.decode(&q); err != nil {
		return err
	}
	x, ctr, err := c.e.containers().LoadExec(c.name)
	switch {
	case err != nil:
		return err
	case x.State.Running:
		return docker.Refuse(docker.Conflict, "exec command %s is already running", x.ID)
	case x.State.Started:
		return docker.Refuse(docker.Conflict, "exec command %s has already run", x.ID)
	}
	o := x.Options
	if q.ConsoleSize != nil && o.Tty && !c.before("1.42") {
		o.Rows, o.Cols = uint16(q.ConsoleSize[0]), uint16(q.ConsoleSize[1])
	}
	if q.Detach {
		o.Detach, o.Stdin = true, false
		es, err := client.Exec(c.ctx(), ctr, o)
		if err != nil {
			return err
		}
		es.Close()
		return c.done(http.StatusOK)
	}
	keys, err := detachKeys(x.DetachKeys)
	if err != nil {
		return err
	}
	conn, err := c.hijack(!o.Tty)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := runExec(c.ctx(), conn, ctr, x, o, keys); err != nil {
		out, _ := multiplex(conn, o.Tty)
		fmt.Fprintf(out, "%v\r\n", err)
		_ = conn.CloseWrite()
	}
	return nil
}

// runExec starts a process and carries its streams. As in Docker it goes on when the
// client leaves, and what it writes then is thrown away.
func runExec(ctx context.Context, conn *conn, ctr *container.Container, x *container.Exec, o control.ExecOptions, keys []byte) error {
	es, err := client.Exec(ctx, ctr, o)
	if err != nil {
		return err
	}
	defer es.Close()
	defer func() {
		if es.Stdin != nil {
			es.Stdin.Close()
		}
	}()
	left, stop := conn.gone(ctx)
	defer stop()
	defer context.AfterFunc(left, func() { conn.Close() })()
	var out outputs
	stdout, stderr := multiplex(conn, o.Tty)
	if o.Tty {
		out.carry(es.Stdin, wanted(stdout, x.Stdout || x.Stderr))
	} else {
		out.carry(es.Stdout, wanted(stdout, x.Stdout))
		out.carry(es.Stderr, wanted(stderr, x.Stderr))
	}
	var in *os.File
	if o.Stdin {
		in = es.Stdin
	}
	detached, read := conn.input(in, o.Tty, keys)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = es.Exit()
	}()
	select {
	case <-detached:
		_ = es.Detach()
	case <-ended:
		out.drain()
	}
	out.cut()
	out.copies.Wait()
	conn.part(read)
	return nil
}

func resizeExec(c *call) error {
	size, err := c.size()
	if err != nil {
		return err
	}
	x, ctr, err := c.e.containers().LoadExec(c.name)
	if err != nil {
		return err
	}
	size.Exec = x.ID
	var early *control.StartError
	if err := client.Resize(c.ctx(), ctr, size); errors.As(err, &early) {
		return invalid("exec process is not started")
	} else if err != nil {
		return err
	}
	return c.done(http.StatusOK)
}

func inspectExec(c *call) error {
	x, _, err := c.e.containers().LoadExec(c.name)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, docker.InspectExec(x))
}

// wanted is a writer, or nil for what nobody has asked for.
func wanted(w io.Writer, yes bool) io.Writer {
	if yes {
		return w
	}
	return nil
}
