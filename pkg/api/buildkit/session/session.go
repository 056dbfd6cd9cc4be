// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"coracle/pkg/api/buildkit/grpc"
)

// Headers of the request that opens a session.
const (
	headerID     = "X-Docker-Expose-Session-Uuid"
	headerMethod = "X-Docker-Expose-Session-Grpc-Method"
)

// Session is a client's.
type Session struct {
	conn    *grpc.Conn
	methods map[string]bool
	ctx     context.Context // ends with the session
}

// Sessions are those that there are, by their IDs. The zero value has none.
type Sessions struct {
	mu      sync.Mutex
	all     map[string]*Session
	changed chan struct{} // closed at the next change
}

// arrival is how long a session that a build names may take to come: the client opens
// it beside the build.
const arrival = 5 * time.Second

var errNoID = errors.New("a session needs an ID")

// Serve has the session that the headers of a request describe, until the client
// leaves or the context ends. It closes the connection.
func (a *Sessions) Serve(ctx context.Context, conn net.Conn, h http.Header) error {
	id := h.Get(headerID)
	if id == "" {
		conn.Close()
		return errNoID
	}
	c, err := grpc.Dial(ctx, conn)
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(errLeft)
	s := &Session{conn: c, methods: map[string]bool{}, ctx: ctx}
	for _, m := range h.Values(headerMethod) {
		s.methods[m] = true
	}
	if !a.put(id, s) {
		return errors.New("a session of this ID exists")
	}
	defer a.put(id, nil)
	select {
	case <-ctx.Done():
	case <-c.Gone():
	}
	return nil
}

var errLeft = errors.New("the client has left")

// put adds a session, or removes it.
func (a *Sessions) put(id string, s *Session) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.all == nil {
		a.all, a.changed = map[string]*Session{}, make(chan struct{})
	}
	switch {
	case s == nil:
		delete(a.all, id)
	case a.all[id] != nil:
		return false
	default:
		a.all[id] = s
	}
	close(a.changed)
	a.changed = make(chan struct{})
	return true
}

func (a *Sessions) find(id string) (*Session, <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.all == nil {
		a.all, a.changed = map[string]*Session{}, make(chan struct{})
	}
	return a.all[id], a.changed
}

// Get returns a session, for which it waits a little.
func (a *Sessions) Get(ctx context.Context, id string) (*Session, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, arrival, grpc.Errorf(grpc.NotFound, "no active session for %s: %s", id, "context deadline exceeded"))
	defer cancel()
	for {
		s, changed := a.find(id)
		if s != nil {
			return s, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// Close ends the session from this side.
func (s *Session) Close() { s.conn.Close() }

// Within is a context that ends with the session, too.
func (s *Session) Within(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.ctx, func() { cancel(errLeft) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// has reports whether the client has said that it answers a method.
func (s *Session) has(method string) bool { return s.methods[method] }
