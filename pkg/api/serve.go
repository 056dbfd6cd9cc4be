// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"coracle/pkg/descriptor"
	"coracle/pkg/ns"
	"coracle/pkg/wire/socket"
)

// How long a client may take to say what it wants, and how long a process that is
// told to end lets answers go on.
const (
	headerTime = time.Minute
	leaveTime  = 2 * time.Second
	wholeTime  = 30 * time.Second // of what is done whole, see call.whole
)

// endKey is the context of a server in those of its requests.
type endKey struct{}

// Serve answers those who connect to l, which it closes, until the context ends or,
// where idle is not 0, nobody has asked for anything for so long. It returns when
// what it was asked for has ended.
func (e *Engine) Serve(ctx context.Context, l net.Listener, idle time.Duration) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	quiet := newActivity(idle, cancel)
	handler := quiet.counted(e)
	if l.Addr().Network() == "tcp" {
		handler = noPages(handler)
	}
	srv := &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTime,
		// A request ends with this process: who waits for it is told by the end of the
		// connection.
		BaseContext: func(net.Listener) context.Context { return context.WithValue(ctx, endKey{}, ctx) },
		ErrorLog:    log.New(writerOf(e.Log), "api: ", 0),
	}
	left := make(chan struct{})
	context.AfterFunc(ctx, func() {
		defer close(left)
		leaving, done := context.WithTimeout(context.Background(), leaveTime)
		defer done()
		_ = srv.Shutdown(leaving)
		srv.Close()
	})
	err := srv.Serve(&ownersOnly{l})
	told := ctx.Err() != nil
	cancel() // of a listener that has ended by itself
	<-left
	quiet.wait()
	if told || errors.Is(err, io.EOF) || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func writerOf(w io.Writer) io.Writer {
	if w == nil {
		return io.Discard
	}
	return w
}

// activity ends a server that nobody uses.
type activity struct {
	idle  time.Duration // 0: never
	over  func()
	mu    sync.Mutex
	open  int        // requests that have not ended
	busy  int        // those of them, and of what goes over their connections, that do something
	none  *sync.Cond // open is 0
	timer *time.Timer
	tidy  *time.Timer // gives memory back that only requests took
}

// silentTimes is how many times as long as without it a server stays for a connection
// that is there for what may be asked over it, as the session of a build.
const silentTimes = 6

// tidyTime is how long after the last request has begun or ended that is: one that
// waits, for events as an example, keeps nothing.
const tidyTime = 2 * time.Second

func tidy() {
	debug.FreeOSMemory()
	ns.ForgetProgram()
}

func newActivity(idle time.Duration, over func()) *activity {
	a := &activity{idle: idle, over: over, tidy: time.AfterFunc(tidyTime, tidy)}
	a.none = sync.NewCond(&a.mu)
	a.rest()
	return a
}

// wait returns when nobody is served any more, and nobody is going to be.
func (a *activity) wait() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.open > 0 {
		a.none.Wait()
	}
	a.stop()
	a.tidy.Stop()
}

func (a *activity) begin() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open++
	a.work(1)
}

func (a *activity) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open--; a.open == 0 {
		a.none.Broadcast()
	}
	a.work(-1)
}

// silent says that the request that calls it does nothing by itself until done is called.
func (a *activity) silent() (done func()) {
	if a == nil {
		return func() {}
	}
	a.count(-1)
	return func() { a.count(1) }
}

// working says that something is done until done is called, for a request that is silent.
func (a *activity) working() (done func()) {
	if a == nil {
		return func() {}
	}
	a.count(1)
	return func() { a.count(-1) }
}

func (a *activity) count(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.work(n)
}

// work is that so many more do something. a.mu is held.
func (a *activity) work(n int) {
	a.tidy.Reset(tidyTime)
	a.busy += n
	a.rest()
}

// rest begins the wait for the end, where there is one and nothing is done. a.mu is held,
// or nobody else knows of a.
func (a *activity) rest() {
	a.stop()
	if a.idle == 0 || a.busy > 0 {
		return
	}
	after := a.idle
	if a.open > 0 {
		after *= silentTimes
	}
	a.timer = time.AfterFunc(after, a.expire)
}

// stop ends that. a.mu is held.
func (a *activity) stop() {
	if a.timer != nil {
		a.timer.Stop()
	}
}

// expire ends the server, unless a request has come meanwhile.
func (a *activity) expire() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.busy == 0 {
		a.over()
	}
}

// counted is a handler whose requests keep the server from ending. Connections that
// wait for the next one do not.
func (a *activity) counted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.begin()
		defer a.end()
		h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), activityKey{}, a)))
	})
}

type activityKey struct{}

// activity is what the request of a call counts for, or nil.
func (c *call) activity() *activity {
	a, _ := c.ctx().Value(activityKey{}).(*activity)
	return a
}

// ownersOnly refuses whoever is not the user that this process belongs to, where the
// kernel can say (unix(7), SO_PEERCRED): the mode of a socket says the same; this
// holds even if somebody changes it.
type ownersOnly struct{ net.Listener }

func (l *ownersOnly) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if u, ok := conn.(*net.UnixConn); !ok || isFrom(u, os.Geteuid()) {
			return conn, nil
		}
		conn.Close()
	}
}

func isFrom(c *net.UnixConn, user int) bool {
	ok := false
	err := descriptor.Control(c, func(fd int) error {
		cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
		ok = err == nil && int(cred.Uid) == user
		return err
	})
	return err == nil && ok
}

// ServeConn answers the one client at the other end of a connection, and returns
// when it has left.
func (e *Engine) ServeConn(ctx context.Context, conn net.Conn) error {
	return e.Serve(ctx, socket.Single(conn), 0)
}
