// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// TestActivity: what is done keeps a server from its end, and what is only there does for
// a while.
func TestActivity(t *testing.T) {
	over := make(chan struct{}, 10)
	a := newActivity(time.Hour, func() { over <- struct{}{} })
	due := func(what string, want bool) {
		t.Helper()
		a.expire()
		if got := len(over) > 0; got != want {
			t.Errorf("%s: the end is %t", what, got)
		}
		for len(over) > 0 {
			<-over
		}
	}
	due("at first", true)
	a.begin()
	due("during a request", false)
	speak := a.silent()
	due("one that is silent", true)
	done := a.working()
	due("that is asked for something", false)
	done()
	due("that was", true)
	speak()
	due("that is not silent any more", false)
	a.end()
	due("after it", true)
	a.wait()
	var none *activity
	none.silent()()
	none.working()()
}

// TestEndsWhenSilent: a server does not stay for ever for a session that nobody builds
// by, nor for a connection on which nothing is asked.
func TestEndsWhenSilent(t *testing.T) {
	for _, path := range []string{"/session", "/grpc"} {
		t.Run(path[1:], func(t *testing.T) {
			s := serve(t)
			s.socket += "2"
			l, err := Listen("unix://" + s.socket)
			if err != nil {
				t.Fatal(err)
			}
			const idle = 300 * time.Millisecond
			done := make(chan error, 1)
			begun := time.Now()
			go func() { done <- s.e.Serve(context.Background(), l, idle) }()
			conn := s.upgrade(t, path, http.Header{"X-Docker-Expose-Session-Uuid": {"x"}})
			if path == "/grpc" { // what was asked once counts no more
				_, _ = dial(t, conn).Call(t.Context(), "/moby.buildkit.v1.Control/Info", nil, nil)
			} else {
				go func() { _, _ = io.Copy(io.Discard, conn) }()
			}
			if err := <-done; err != nil {
				t.Error(err)
			}
			if took := time.Since(begun); took < idle {
				t.Errorf("ended after %v", took)
			}
			if c, err := net.Dial("unix", s.socket); err == nil {
				c.Close()
				t.Error("somebody listens still")
			}
		})
	}
}
