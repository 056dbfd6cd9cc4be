// SPDX-License-Identifier: Apache-2.0

package session

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"coracle/pkg/api/buildkit/grpc"
)

const methodFiles = "/moby.filesync.v1.FileSync/DiffCopy"

// Directory says what of a directory is wanted.
type Directory struct {
	Name    string   // as the client calls it: "context", "dockerfile", …
	Follow  []string // paths, with what their links lead to; none: everything
	Exclude []string // patterns of .dockerignore
}

// Bounds of what is under way, so that memory is bounded.
const (
	maxFiles   = 2 << 20 // that are told of
	askedFiles = 64      // whose content has been asked for, at once
	askedBytes = 4 << 20 // likewise, but for the first, which is passed on as it comes
)

// Files writes files of the client's to an archive, as the client walks over them:
// directories before what is in them, files before links to them.
func (s *Session) Files(ctx context.Context, d Directory, w io.Writer) error {
	if !s.has(methodFiles) {
		return grpc.Errorf(grpc.NotFound, "the client shares no files")
	}
	ctx, cancel := s.Within(ctx)
	defer cancel()
	h := metadata{}
	h.set("dir-name", d.Name)
	h.set("followpaths", d.Follow...)
	h.set("exclude-patterns", d.Exclude...)
	if err := newReceiver(s.conn.Open(ctx, methodFiles, h.header()), w).all(); err != nil {
		return fmt.Errorf("receive %s: %w", d.Name, err)
	}
	return nil
}

// incoming is a file that was told of.
type incoming struct {
	*stat
	id      uint32
	content bool   // it has some, which has to be asked for
	done    bool   // all of it is here
	buf     []byte // what has come and was not written
	got     int64  // bytes that have come
	begun   bool   // its header is written
}

// receiver takes one directory.
type receiver struct {
	call  *grpc.Stream
	out   *tar.Writer
	queue []*incoming // told of and not written, in order
	next  int         // in queue: what was not looked at
	asked map[uint32]*incoming
	bytes int64 // of those asked for, or here and not written
	count uint32
	ended bool // no more will be told of
}

func newReceiver(call *grpc.Stream, w io.Writer) *receiver {
	return &receiver{call: call, out: tar.NewWriter(w), asked: map[uint32]*incoming{}}
}

// all takes the directory.
func (r *receiver) all() error {
	if err := r.run(); err != nil {
		return sendError(r.call, err)
	}
	return r.out.Close()
}

func (r *receiver) run() error {
	for !r.ended || len(r.queue) > 0 {
		msg, err := r.call.Receive()
		if errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		p, err := readPacket(msg)
		if err != nil {
			return err
		}
		if err := r.packet(p); err != nil {
			return err
		}
		if err := r.pump(); err != nil {
			return err
		}
	}
	if err := r.call.Send(packet{kind: packetEnd}.encode()); err != nil {
		return err
	}
	for { // the other side says the same, and ends
		if _, err := r.call.Receive(); errors.Is(err, io.EOF) {
			return r.call.CloseSend()
		} else if err != nil {
			return err
		}
	}
}

func (r *receiver) packet(p packet) error {
	switch p.kind {
	case packetStat:
		return r.told(p.stat)
	case packetData:
		return r.data(p.id, p.data)
	case packetError:
		return fmt.Errorf("error from sender: %s", p.data)
	}
	return fmt.Errorf("unexpected packet of type %d", p.kind)
}

func (r *receiver) told(s *stat) error {
	if s == nil {
		r.ended = true
		return nil
	}
	if r.ended || r.count >= maxFiles {
		return fmt.Errorf("more than %d files", maxFiles)
	}
	f := &incoming{stat: s, id: r.count}
	f.content = s.mode.IsRegular() && s.link == "" && s.size > 0
	r.count++
	r.queue = append(r.queue, f)
	return nil
}

// pump asks for files, and writes those that are here.
func (r *receiver) pump() error {
	for {
		for len(r.queue) > 0 && (r.queue[0].done || r.next > 0 && !r.queue[0].content) {
			if err := r.write(r.queue[0]); err != nil {
				return err
			}
			r.queue, r.next = r.queue[1:], max(r.next-1, 0)
		}
		if r.next >= len(r.queue) {
			return nil
		}
		f := r.queue[r.next]
		if f.content && (len(r.asked) >= askedFiles || r.next > 0 && r.bytes+f.size > askedBytes) {
			return nil
		}
		r.next++
		if f.content {
			r.asked[f.id] = f
			r.bytes += min(f.size, askedBytes)
			if err := r.call.Send(packet{kind: packetRequest, id: f.id}.encode()); err != nil {
				return err
			}
		}
	}
}

// data takes a piece of a file. What a file has grown by since it was told of does not
// count.
func (r *receiver) data(id uint32, b []byte) error {
	f := r.asked[id]
	if f == nil {
		return fmt.Errorf("invalid file request %d", id)
	}
	if len(b) == 0 {
		f.done = true
		delete(r.asked, id)
		return nil
	}
	b = b[:min(int64(len(b)), f.size-f.got)]
	f.got += int64(len(b))
	if f != r.queue[0] || f.size <= askedBytes {
		f.buf = append(f.buf, b...)
		return nil
	}
	return r.pass(f, b)
}

// pass writes a piece of the first file of the queue, which is too large to be kept.
func (r *receiver) pass(f *incoming, b []byte) error {
	if !f.begun {
		f.begun = true
		if err := r.out.WriteHeader(f.entry(f.size)); err != nil {
			return err
		}
	}
	_, err := r.out.Write(b)
	return err
}

// write writes a file that is here as a whole, or what of it is not written.
func (r *receiver) write(f *incoming) error {
	if f.content {
		r.bytes -= min(f.size, askedBytes)
	}
	switch {
	case f.begun && f.got < f.size:
		return fmt.Errorf("%s: file changed while it was sent", f.path)
	case f.begun:
		return nil
	}
	h := f.entry(int64(len(f.buf)))
	if h == nil {
		return nil
	}
	if err := r.out.WriteHeader(h); err != nil {
		return err
	}
	_, err := r.out.Write(f.buf)
	f.buf = nil
	return err
}

// entry is a file as an archive has it, nil for what no archive needs. Owners do not
// count.
func (s *stat) entry(size int64) *tar.Header {
	h := &tar.Header{Name: s.path, Mode: int64(permissions(s.mode)), ModTime: time.Unix(0, s.mtime), Format: tar.FormatPAX}
	switch {
	case s.mode.IsDir():
		h.Typeflag, h.Name = tar.TypeDir, s.path+"/"
	case s.mode&fs.ModeSymlink != 0:
		h.Typeflag, h.Linkname = tar.TypeSymlink, s.link
	case s.mode.IsRegular() && s.link != "":
		h.Typeflag, h.Linkname = tar.TypeLink, s.link
	case s.mode.IsRegular():
		h.Typeflag, h.Size = tar.TypeReg, size
	default: // sockets, devices and pipes
		return nil
	}
	return h
}

// permissions are Go's bits as Unix has them.
func permissions(m fs.FileMode) uint32 {
	p := uint32(m.Perm())
	for _, b := range []struct {
		of   fs.FileMode
		unix uint32
	}{{fs.ModeSetuid, 0o4000}, {fs.ModeSetgid, 0o2000}, {fs.ModeSticky, 0o1000}} {
		if m&b.of != 0 {
			p |= b.unix
		}
	}
	return p
}
