// SPDX-License-Identifier: Apache-2.0

package grpc

import (
	"bufio"
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"

	"coracle/pkg/wire/socket"
)

// Method answers one call. Its error is how the call ends.
type Method func(ctx context.Context, s *Stream) error

// Unary is a method that takes one message and answers one.
func Unary(f func(ctx context.Context, s *Stream, req []byte) ([]byte, error)) Method {
	return func(ctx context.Context, s *Stream) error {
		req, err := s.Receive()
		if err != nil {
			return Errorf(InvalidArgument, "read request: %v", err)
		}
		res, err := f(ctx, s, req)
		if err != nil {
			return err
		}
		return s.Send(res)
	}
}

// Bounds of a connection.
const (
	maxCalls  = 250     // at the same time
	maxHeader = 1 << 20 // bytes
)

// Serve answers the calls that come over a connection, by methods, whose names are
// /package.Service/Method, until the client leaves or the context ends. It returns
// when all calls have ended.
func Serve(ctx context.Context, conn net.Conn, methods map[string]Method, logger *log.Logger) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l := socket.Single(conn)
	var calls sync.WaitGroup
	srv := &http.Server{
		Protocols: new(http.Protocols), HTTP2: &http.HTTP2Config{MaxConcurrentStreams: maxCalls},
		MaxHeaderBytes: maxHeader, ErrorLog: logger,
		BaseContext: func(net.Listener) context.Context { return ctx },
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			calls.Add(1)
			defer calls.Done()
			answer(w, r, methods, logger)
		}),
	}
	srv.Protocols.SetUnencryptedHTTP2(true)
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	_ = srv.Serve(l) // it ends with the connection
	srv.Close()
	cancel()
	calls.Wait()
}

func answer(w http.ResponseWriter, r *http.Request, methods map[string]Method, logger *log.Logger) {
	if r.Method != http.MethodPost || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
		http.Error(w, "gRPC is spoken here", http.StatusUnsupportedMediaType)
		return
	}
	control := http.NewResponseController(w)
	out := bufio.NewWriter(w)
	s := &Stream{header: r.Header, in: r.Body, out: out, flush: func() {
		if out.Flush() == nil {
			_ = control.Flush()
		}
	}}
	w.Header().Set("Content-Type", "application/grpc")
	_ = control.Flush()
	err := run(r.Context(), s, methods[r.URL.Path], r.URL.Path, logger)
	StatusOf(err).trailer(func(key, value string) { w.Header().Set(http.TrailerPrefix+key, value) })
}

// run is a call, of which one that panics is told to the log.
func run(ctx context.Context, s *Stream, do Method, name string, logger *log.Logger) (err error) {
	defer func() {
		if p := recover(); p != nil {
			logger.Printf("%s: panic: %v\n%s", name, p, debug.Stack())
			err = Errorf(Internal, "internal error: %v", p)
		}
	}()
	if do == nil {
		return Errorf(Unimplemented, "unknown method %s", name)
	}
	return do(ctx, s)
}

var errOnce = errors.New("the connection is used already")
