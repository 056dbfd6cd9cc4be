// SPDX-License-Identifier: Apache-2.0

package api

import (
	"encoding/json"
	"io"
	"net/http"
	"sync"
)

// stream is an answer that goes on: what is written to it reaches the client at
// once. It is safe for concurrent use.
type stream struct {
	mu sync.Mutex
	w  http.ResponseWriter
	f  *http.ResponseController
}

// stream begins an answer that goes on, with its headers.
func (c *call) stream(status int, contentType string) *stream {
	c.begin(status, contentType)
	s := &stream{w: c.w, f: http.NewResponseController(c.w)}
	_ = s.f.Flush()
	return s
}

// Write fails when the client has left.
func (s *stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.w.Write(p)
	if err == nil {
		err = s.f.Flush()
	}
	return n, err
}

// send writes v as a line of JSON.
func (s *stream) send(v any) error { return writeLine(s, v) }

// writeLine writes v as a line of JSON, in one piece.
func writeLine(w io.Writer, v any) error {
	line, err := json.Marshal(v)
	if err == nil {
		_, err = w.Write(append(line, '\n'))
	}
	return err
}
