// SPDX-License-Identifier: Apache-2.0

package api

import (
	"log"

	"coracle/pkg/api/buildkit/control"
)

// h2c is HTTP/2 without TLS, which these connections go over to (RFC 7540, 3.2).
const h2c = "h2c"

func (e *Engine) buildKit() *control.Builder {
	return &control.Builder{
		Dirs: e.Dirs, Version: e.Version, Access: e.Access, Log: log.New(writerOf(e.Log), "api: ", 0), Sessions: &e.sessions, Images: e.images(),
	}
}

// serveBuildKit goes over to gRPC, on which the client asks for builds.
func serveBuildKit(c *call) error {
	conn, err := c.upgrade()
	if err != nil {
		return err
	}
	defer conn.Close()
	defer c.activity().silent()()
	b := c.e.buildKit()
	b.Working = c.activity().working
	b.Serve(c.ctx(), conn)
	return nil
}

// serveSession goes over to gRPC in the other direction: the client is asked.
func serveSession(c *call) error {
	conn, err := c.upgrade()
	if err != nil {
		return err
	}
	defer conn.Close()
	defer c.activity().silent()() // the builds that use it are requests of their own
	return c.e.buildKit().ServeSession(c.ctx(), conn, c.r.Header)
}

// upgrade takes the connection over for HTTP/2.
func (c *call) upgrade() (*conn, error) {
	if c.r.Header.Get("Upgrade") != h2c {
		return nil, invalid("the connection is to be upgraded to %s", h2c)
	}
	return c.hijackFor(h2c, "")
}
