// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	"coracle/pkg/ids"
	"coracle/pkg/ns"
	"coracle/pkg/state"
	"coracle/pkg/wire"
	"coracle/pkg/wire/socket"
)

// lastWords is how long a worker that was told to end may take to tidy up.
const lastWords = 2 * time.Second

// request is the first message to a worker, with the descriptors.
type request struct {
	Op      string          `json:"op"`
	Dirs    state.Dirs      `json:"dirs"`
	Request json.RawMessage `json:"request"`
	Names   []string        `json:"names,omitempty"` // of the descriptors
	Events  bool            `json:"events,omitempty"`
}

// order is every further message to a worker.
type order struct {
	Cancel bool `json:"cancel"`
}

// report is a message from a worker: an event, or at last the answer.
type report struct {
	Event  json.RawMessage `json:"event,omitempty"`
	Answer *answer         `json:"answer,omitempty"`
}

type answer struct {
	Result json.RawMessage `json:"result,omitempty"`
	Error  *failure        `json:"error,omitempty"`
}

// ask starts a worker and returns its answer, with the worker gone.
func ask(ctx context.Context, r request, w With) (*answer, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	runtime.LockOSThread() // Pdeathsig watches this thread
	defer runtime.UnlockOSThread()
	p, conn, err := start(w.Maps)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	for _, f := range w.Files {
		r.Names = append(r.Names, f.Name())
	}
	if err := conn.Send(r, w.Files...); err != nil {
		_ = p.Kill()
		st, _ := p.Wait()
		return nil, fmt.Errorf("%s: %w: %v (%v)", r.Op, errNoAnswer, st, err)
	}
	stop := context.AfterFunc(ctx, func() {
		_ = conn.Send(order{Cancel: true}) // one that is gone has said why, or says nothing
		time.AfterFunc(lastWords, func() { _ = p.Kill() })
	})
	got, err := listen(conn, w.Event)
	conn.Close() // it may still wait for our next word
	if stop() && err != nil {
		_ = p.Kill()
	}
	st, werr := p.Wait()
	switch {
	case err == nil:
		return got, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case werr != nil:
		return nil, werr
	}
	return nil, fmt.Errorf("%s: %w: %v (%v)", r.Op, errNoAnswer, st, err)
}

// start is a worker that waits for its request.
func start(maps *ids.Maps) (*os.Process, *socket.Conn, error) {
	if maps == nil {
		all, err := ids.HostMaps()
		if err != nil {
			return nil, nil, err
		}
		maps = &all
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, nil, err
	}
	defer null.Close()
	conn, theirs, err := socket.Pair()
	if err != nil {
		return nil, nil, err
	}
	defer theirs.Close()
	p, err := ns.Spawn{
		Stage: ns.StageWorker, Files: []*os.File{theirs}, Stdin: null, Stdout: null, Stderr: os.Stderr, // for a crash
		NewPID: true, Setsid: true, DieWithParent: true, Maps: maps, OrConfined: true,
	}.Start()
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return p, conn, nil
}

// listen passes events on until the answer.
func listen(conn *socket.Conn, event func(json.RawMessage)) (*answer, error) {
	for {
		var r report
		files, err := conn.Receive(&r)
		wire.CloseFiles(files)
		switch {
		case err != nil:
			return nil, err
		case r.Answer != nil:
			return r.Answer, nil
		case r.Event != nil && event != nil:
			event(r.Event)
		}
	}
}

// ordered calls event for one after the other.
func ordered(event func(json.RawMessage)) func(json.RawMessage) {
	if event == nil {
		return nil
	}
	var mu sync.Mutex
	return func(data json.RawMessage) {
		mu.Lock()
		defer mu.Unlock()
		event(data)
	}
}
