// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"coracle/pkg/descriptor"
	"coracle/pkg/ns"
	"coracle/pkg/wire"
	"coracle/pkg/wire/socket"
)

// conversation is the descriptor of the socket to the caller.
const conversation = 3

// Main is the stage: it carries out one request of the operations, and returns
// the exit code of the process. Only a caller who cannot be answered is told by it.
func Main(ops ...Handler) int {
	if err := serve(ops); err != nil {
		fmt.Fprintln(os.Stderr, "coracle:", err)
		return 125
	}
	return 0
}

func serve(ops []Handler) error {
	signal.Ignore(unix.SIGPIPE) // which does not end the init of a pid namespace: writing is an error
	conn, err := socket.FromFile(os.NewFile(conversation, "caller"))
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := ns.Begin(); err != nil {
		return conn.Send(report{Answer: &answer{Error: encode(err)}})
	}
	var r request
	files, err := conn.Receive(&r)
	if err != nil {
		return fmt.Errorf("receive request: %w", err)
	}
	if files, err = named(files, r.Names); err != nil {
		return err
	}
	defer wire.CloseFiles(files)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go obey(conn, cancel)
	return conn.Send(report{Answer: do(ctx, conn, ops, r, files)})
}

// do carries out the request.
func do(ctx context.Context, conn *socket.Conn, ops []Handler, r request, files []*os.File) *answer {
	j := &Job{Dirs: r.Dirs, Files: files}
	if r.Events {
		j.event = func(data json.RawMessage) {
			_ = conn.Send(report{Event: data}) // a caller that is gone ends the context
		}
	}
	for _, o := range ops {
		if o.name() == r.Op {
			result, err := o.handle(ctx, j, r.Request)
			a := &answer{result, encode(err)}
			if len(result) > wire.MaxMessage/2 {
				a = &answer{Error: encode(fmt.Errorf("answer %s: %d bytes are too many", r.Op, len(result)))}
			}
			return a
		}
	}
	return &answer{Error: encode(fmt.Errorf("no operation %q", r.Op))}
}

// obey ends the work when the caller says so, or is gone.
func obey(conn *socket.Conn, cancel func()) {
	defer cancel()
	for {
		var o order
		files, err := conn.Receive(&o)
		wire.CloseFiles(files)
		if err != nil || o.Cancel {
			return
		}
	}
}

// named are files under the names that they have at the caller, which errors say.
func named(files []*os.File, names []string) ([]*os.File, error) {
	defer wire.CloseFiles(files)
	if len(files) != len(names) {
		return nil, errors.New("receive request: a descriptor is missing")
	}
	var list []*os.File
	for i, f := range files {
		fd, err := descriptor.Dup(f, conversation)
		if err != nil {
			wire.CloseFiles(list)
			return nil, err
		}
		list = append(list, os.NewFile(uintptr(fd), names[i]))
	}
	return list, nil
}
