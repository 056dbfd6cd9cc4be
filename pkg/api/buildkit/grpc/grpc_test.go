// SPDX-License-Identifier: Apache-2.0

package grpc

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// ends are the two ends of a connection, one of which serves methods.
func ends(t *testing.T, methods map[string]Method) (*Conn, func()) {
	t.Helper()
	l, err := net.Listen("unix", t.TempDir()+"/s")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	there, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	here, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		Serve(ctx, there, methods, log.New(io.Discard, "", 0))
	}()
	c, err := Dial(t.Context(), here)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		cancel()
		<-done
	})
	return c, cancel
}

func TestCall(t *testing.T) {
	c, _ := ends(t, map[string]Method{
		"/s/Echo": Unary(func(_ context.Context, s *Stream, req []byte) ([]byte, error) {
			return append([]byte(s.Header("Meta")+" "), req...), nil
		}),
		"/s/Fail": Unary(func(context.Context, *Stream, []byte) ([]byte, error) {
			return nil, Errorf(NotFound, "there is no “x”:\n100%%")
		}),
		"/s/Panic": Unary(func(context.Context, *Stream, []byte) ([]byte, error) { panic("x") }),
	})
	res, err := c.Call(t.Context(), "/s/Echo", http.Header{"Meta": {"data"}}, []byte("hello"))
	if err != nil || string(res) != "data hello" {
		t.Errorf("%q, %v", res, err)
	}
	large := strings.Repeat("x", 3<<20)
	if res, err = c.Call(t.Context(), "/s/Echo", nil, []byte(large)); err != nil || string(res) != " "+large {
		t.Errorf("a large message: %d bytes, %v", len(res), err)
	}
	for method, want := range map[string]Status{
		"/s/Fail":  {Code: NotFound, Message: "there is no “x”:\n100%"},
		"/s/Panic": {Code: Internal, Message: "internal error: x"},
		"/s/None":  {Code: Unimplemented, Message: "unknown method /s/None"},
	} {
		_, err := c.Call(t.Context(), method, nil, nil)
		if s := StatusOf(err); s.Code != want.Code || s.Message != want.Message {
			t.Errorf("%s: %v %q", method, s.Code, s.Message)
		}
	}
}

// TestBothWays: messages go to and fro within a call.
func TestBothWays(t *testing.T) {
	c, _ := ends(t, map[string]Method{"/s/Echo": func(_ context.Context, s *Stream) error {
		for {
			msg, err := s.Receive()
			if err != nil {
				return errors.Join(s.Send([]byte("end")), nil)
			}
			if err := s.Send(msg); err != nil {
				return err
			}
		}
	}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := c.Open(ctx, "/s/Echo", nil)
	for _, text := range []string{"a", "", "b"} {
		if err := s.Send([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Receive(); err != nil || string(got) != text {
			t.Fatalf("%q, %v", got, err)
		}
	}
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Receive(); err != nil || string(got) != "end" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := s.Receive(); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v", err)
	}
}

// TestEndOfCaller: who calls ends the call; who serves hears of it.
func TestEndOfCaller(t *testing.T) {
	heard := make(chan struct{})
	c, _ := ends(t, map[string]Method{"/s/Wait": func(ctx context.Context, _ *Stream) error {
		<-ctx.Done()
		close(heard)
		return ctx.Err()
	}})
	ctx, cancel := context.WithCancel(t.Context())
	s := c.Open(ctx, "/s/Wait", nil)
	if err := s.Send(nil); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := s.Receive(); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	<-heard
}

// TestEndOfServer: the other side is gone.
func TestEndOfServer(t *testing.T) {
	c, end := ends(t, nil)
	end()
	select {
	case <-c.Gone():
	case <-time.After(time.Minute):
		t.Fatal("nobody says that it is gone")
	}
	if _, err := c.Call(t.Context(), "/s/x", nil, nil); err == nil {
		t.Error("a call was answered by nobody")
	}
}

func TestReceiveRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"\x01\x00\x00\x00\x01x": "compressed",
		"\x00\xff\x00\x00\x00":  "larger than max",
		"\x00\x00\x00\x00\x05x": "unexpected EOF",
		"\x00\x00":              "unexpected EOF",
	} {
		s := &Stream{in: strings.NewReader(text)}
		if _, err := s.Receive(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzReceive(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\x01x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := &Stream{in: strings.NewReader(string(b))}
		for {
			msg, err := s.Receive()
			if err != nil {
				return
			}
			if len(msg) > len(b) {
				t.Fatal("more than there was")
			}
		}
	})
}

func FuzzEscape(f *testing.F) {
	f.Add("100% “x”\n")
	f.Fuzz(func(t *testing.T, s string) {
		if got := unescape(escape(s)); got != s {
			t.Errorf("%q became %q", s, got)
		}
	})
}
