// SPDX-License-Identifier: Apache-2.0

package api

import (
	"encoding/binary"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"

	"coracle/pkg/container/control"
	"coracle/pkg/descriptor"
)

// framed writes what belongs to one of several streams into one connection, each piece
// behind eight bytes that say of which it is and how long
// (github.com/moby/moby/api/pkg/stdcopy reads that).
type framed struct {
	mu *sync.Mutex // of the connection
	w  io.Writer
	of stdcopy.StdType
}

// multiplex makes writers for the two outputs of one connection. With a terminal they
// are one stream, as it is.
func multiplex(w io.Writer, tty bool) (out, err io.Writer) {
	if tty {
		return w, w
	}
	mu := &sync.Mutex{}
	return &framed{mu, w, stdcopy.Stdout}, &framed{mu, w, stdcopy.Stderr}
}

func (f *framed) Write(p []byte) (int, error) {
	header := [8]byte{byte(f.of)}
	binary.BigEndian.PutUint32(header[4:], uint32(len(p)))
	f.mu.Lock()
	defer f.mu.Unlock()
	var err error
	if c, ok := f.w.(*conn); ok {
		pieces := net.Buffers{header[:], p}
		_, err = pieces.WriteTo(c.Conn)
	} else {
		_, err = f.w.Write(append(header[:], p...))
	}
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// pieceSize is what is read at once of a process's output.
const pieceSize = 32 << 10

// outputs are the ways of a process's output to a client.
type outputs struct {
	theirs []*os.File // ends for who writes, to be closed here once they have them
	ours   []*os.File
	copies sync.WaitGroup
}

// pipe is another output. What comes is written to w for as long as that takes it, and
// thrown away from then on: whose output it is goes on.
func (o *outputs) pipe(w io.Writer) error {
	r, theirs, err := os.Pipe()
	if err != nil {
		return err
	}
	o.theirs = append(o.theirs, theirs)
	o.carry(r, w)
	return nil
}

// carry copies what is read from a file, and closes it.
func (o *outputs) carry(r *os.File, w io.Writer) {
	o.ours = append(o.ours, r)
	o.copies.Go(func() {
		defer r.Close()
		buf := make([]byte, pieceSize)
		for {
			n, err := r.Read(buf)
			if n > 0 && w != nil {
				if _, werr := w.Write(buf[:n]); werr != nil {
					w = nil
				}
			}
			if err != nil { // EIO is a terminal's end
				return
			}
		}
	})
}

// drain lets the copies end once nothing is left to be read: what a process has left
// behind may hold its outputs open for ever.
func (o *outputs) drain() {
	for _, f := range o.ours {
		descriptor.Drain(f, func() bool { return false })
	}
}

// handedOver closes the ends that others have by now.
func (o *outputs) handedOver() {
	for _, f := range o.theirs {
		f.Close()
	}
	o.theirs = nil
}

// cut ends the copies, whoever may have an end still.
func (o *outputs) cut() {
	for _, f := range o.ours {
		_ = f.SetReadDeadline(time.Unix(1, 0))
	}
}

// input copies what the client sends to a process, until either ends or the keys that
// leave it have been typed. Without a process it only takes what comes.
func (c *conn) input(to *os.File, tty bool, keys []byte) (detached <-chan struct{}, done <-chan struct{}) {
	left, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		if to != nil {
			if control.CopyInput(to, c, tty, keys) {
				close(left)
			} else if !tty {
				to.Close() // the end of it is passed on; with a terminal that is a key
			}
		}
		_, _ = io.Copy(io.Discard, c)
	}()
	return left, over
}

// partTime is how long a client may take to see that its stream has ended.
const partTime = 2 * time.Second

// part ends a conversation that has come to its end: the client reads what there is,
// and leaves.
func (c *conn) part(input <-chan struct{}) {
	_ = c.CloseWrite()
	_ = c.SetReadDeadline(time.Now().Add(partTime))
	<-input
	c.Close()
}
