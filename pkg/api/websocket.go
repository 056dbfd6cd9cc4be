// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bufio"
	"net"
	"net/http"
	"strings"

	"golang.org/x/net/websocket"
)

// attachWebsocket is attach for browsers, which cannot take a connection over: the
// bytes go in messages (RFC 6455), those of both outputs alike.
func attachWebsocket(c *call) error {
	if !strings.EqualFold(c.r.Header.Get("Upgrade"), "websocket") {
		return invalid("bad parameter: the request is none for a websocket (RFC 6455)")
	}
	in, out, errs := true, true, true
	if !c.before("1.42") {
		in, out, errs = c.flag("stdin"), c.flag("stdout"), c.flag("stderr")
	}
	a, err := attach(c, in, out, errs)
	if err != nil {
		return err
	}
	defer a.close()
	taken := &takenOver{ResponseWriter: c.w}
	srv := websocket.Server{Handler: func(ws *websocket.Conn) {
		ws.PayloadType = websocket.BinaryFrame
		if c.before("1.28") {
			ws.PayloadType = websocket.TextFrame
		}
		a.carry(&conn{Conn: taken.raw, in: ws, ws: ws}, true)
	}}
	c.begun = true // by the handshake, or the refusal of one
	srv.ServeHTTP(taken, c.r)
	if taken.raw != nil {
		taken.raw.Close()
	}
	return nil
}

// takenOver knows the connection below a websocket: its owner sees whether the client
// is there, and closes it.
type takenOver struct {
	http.ResponseWriter
	raw net.Conn
}

func (t *takenOver) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	raw, buffered, err := http.NewResponseController(t.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	t.raw = raw
	return &oneWay{raw}, buffered, nil
}

// oneWay is a connection whose end leaves what the client still sends to be read:
// among that is its answer to the end.
type oneWay struct{ net.Conn }

func (o *oneWay) Close() error { return (&conn{Conn: o.Conn}).CloseWrite() }

// eitherOf ends when one of two ends.
func eitherOf(a, b <-chan struct{}) <-chan struct{} {
	one := make(chan struct{})
	go func() {
		defer close(one)
		select {
		case <-a:
		case <-b:
		}
	}()
	return one
}
