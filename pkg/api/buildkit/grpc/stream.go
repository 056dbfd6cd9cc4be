// SPDX-License-Identifier: Apache-2.0

package grpc

import (
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"sync"

	"coracle/pkg/api/buildkit/pb"
)

// MaxMessage bounds a message that comes, in bytes. BuildKit's own bound is the same.
const MaxMessage = 16 << 20

const head = 5 // bytes before a message

// Stream is one call, at either end. Sending is safe for concurrent use; receiving is
// not.
type Stream struct {
	header http.Header // what came with the call
	open   func() (io.Reader, error)
	in     io.Reader
	ended  func() error // why there is no more to come; nil: the other side is done
	buf    []byte

	mu    sync.Mutex
	out   io.Writer
	flush func()
	close func() error
}

// Header is metadata that came with a call, or empty.
func (s *Stream) Header(name string) string { return s.header.Get(name) }

// Headers are all metadata that came with a call.
func (s *Stream) Headers() http.Header { return s.header }

// Receive returns the next message, which is good until the next call, or io.EOF when
// the other side has said all.
func (s *Stream) Receive() ([]byte, error) {
	if s.in == nil {
		in, err := s.open()
		if err != nil {
			return nil, err
		}
		s.in = in
	}
	var h [head]byte
	_, err := io.ReadFull(s.in, h[:])
	if errors.Is(err, io.EOF) && s.ended != nil {
		if why := s.ended(); why != nil {
			return nil, why
		}
	}
	if err != nil {
		return nil, err
	}
	if h[0] != 0 {
		return nil, Errorf(Unimplemented, "compressed messages are not supported")
	}
	n := binary.BigEndian.Uint32(h[1:])
	if n > MaxMessage {
		return nil, Errorf(ResourceExhausted, "received message larger than max (%d vs. %d)", n, MaxMessage)
	}
	if err := s.fill(int(n)); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return s.buf, nil
}

// fill reads a message. Memory is taken as bytes come, not as they are announced.
func (s *Stream) fill(n int) error {
	const step = 64 << 10
	s.buf = s.buf[:0]
	for len(s.buf) < n {
		at, more := len(s.buf), min(n-len(s.buf), step)
		if cap(s.buf) < at+more {
			s.buf = append(s.buf, make([]byte, more)...)
		}
		s.buf = s.buf[:at+more]
		if _, err := io.ReadFull(s.in, s.buf[at:]); err != nil {
			return err
		}
	}
	return nil
}

// Send sends a message, and returns when it is on its way.
func (s *Stream) Send(b []byte) error {
	msg := make([]byte, head, head+len(b))
	binary.BigEndian.PutUint32(msg[1:], uint32(len(b)))
	msg = append(msg, b...)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.out.Write(msg); err != nil {
		return err
	}
	if s.flush != nil {
		s.flush()
	}
	return nil
}

// CloseSend says that there is no more to come from here.
func (s *Stream) CloseSend() error {
	if s.close == nil {
		return nil
	}
	return s.close()
}

// CopyBytes writes the bytes of the messages that come, of which each is moby's
// BytesMessage, until there is an error: [io.EOF] after the last.
func (s *Stream) CopyBytes(w io.Writer) error {
	for {
		msg, err := s.Receive()
		if err != nil {
			return err
		}
		err = pb.Read(msg, func(f pb.Field) error {
			if f.Number != 1 {
				return nil
			}
			_, err := w.Write(f.Data())
			return err
		})
		if err != nil {
			return err
		}
	}
}
