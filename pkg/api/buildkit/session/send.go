// SPDX-License-Identifier: Apache-2.0

package session

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"

	"coracle/pkg/api/buildkit/grpc"
	"coracle/pkg/api/buildkit/pb"
)

const methodSend = "/moby.filesync.v1.FileSend/DiffCopy"

// piece is how much is sent in one message, in bytes.
const piece = 64 << 10

func (s *Session) send(ctx context.Context, export int) (*grpc.Stream, error) {
	if !s.has(methodSend) {
		return nil, grpc.Errorf(grpc.NotFound, "method %s not supported by the client", methodSend)
	}
	h := metadata{}
	h.set("buildkit-attachable-exporter-id", strconv.Itoa(export))
	return s.conn.Open(ctx, methodSend, h.header()), nil
}

// SendFile sends the client what one of its exports, by their order, is to be.
func (s *Session) SendFile(ctx context.Context, export int, r io.Reader) error {
	ctx, cancel := s.Within(ctx)
	defer cancel()
	call, err := s.send(ctx, export)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(messages{call}, piece)
	if _, err := io.Copy(out, struct{ io.Reader }{r}); err != nil {
		return sendError(call, err)
	}
	if err := errors.Join(out.Flush(), call.CloseSend()); err != nil {
		return sendError(call, err)
	}
	if _, err := call.Receive(); !errors.Is(err, io.EOF) { // when the client is done
		return err
	}
	return nil
}

// sendError is why something could not be sent: the client has ended the call, and may
// have said why.
func sendError(call *grpc.Stream, err error) error {
	for errors.Is(err, io.ErrClosedPipe) {
		if _, why := call.Receive(); errors.Is(why, io.EOF) {
			return io.ErrUnexpectedEOF
		} else if why != nil {
			return why
		}
	}
	return err
}

// messages is a call whose messages are bytes (moby.filesync.v1.BytesMessage).
type messages struct{ call *grpc.Stream }

func (w messages) Write(b []byte) (int, error) {
	if err := w.call.Send(pb.Encode(func(m *pb.Message) { m.Data(1, b) })); err != nil {
		return 0, err
	}
	return len(b), nil
}

// SendFiles sends the client the files of an archive for one of its exports.
func (s *Session) SendFiles(ctx context.Context, export int, archive *os.File) error {
	ctx, cancel := s.Within(ctx)
	defer cancel()
	list, err := index(archive)
	if err != nil {
		return fmt.Errorf("read archive: %w", err)
	}
	call, err := s.send(ctx, export)
	if err != nil {
		return err
	}
	err = newSender(call, archive, list).run()
	if err == nil {
		err = call.CloseSend()
	}
	if err != nil {
		return fmt.Errorf("send files: %w", sendError(call, err))
	}
	for { // until the client has them
		if _, err := call.Receive(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// outgoing is a file of an archive.
type outgoing struct {
	stat
	at int64 // where its content is in the archive
}

// index lists the files of an archive.
func index(f *os.File) (list []outgoing, err error) {
	in := tar.NewReader(f)
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		o := outgoing{stat: stat{
			path: path.Clean(strings.TrimPrefix(h.Name, "/")), mode: h.FileInfo().Mode(), size: h.Size, mtime: h.ModTime.UnixNano(), link: h.Linkname,
		}}
		if h.Typeflag == tar.TypeLink {
			o.mode &^= fs.ModeType
		}
		// The reader takes what it needs and no more: here begins the content.
		if o.at, err = f.Seek(0, io.SeekCurrent); err != nil {
			return nil, err
		}
		list = append(list, o)
	}
}

// sender sends files as the client asks for them.
type sender struct {
	call    *grpc.Stream
	archive *os.File
	files   []outgoing

	mu    sync.Mutex
	more  *sync.Cond
	queue []uint32 // asked for and not sent
	end   error    // io.EOF: the client has what it wants
}

func newSender(call *grpc.Stream, archive *os.File, files []outgoing) *sender {
	s := &sender{call: call, archive: archive, files: files}
	s.more = sync.NewCond(&s.mu)
	return s
}

// run sends what the client wants, until it has all.
func (s *sender) run() error {
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		s.finish(s.hear())
	}()
	err := s.tell()
	for err == nil {
		id, end := s.wanted()
		if end != nil {
			err = end
			break
		}
		err = s.content(id)
	}
	if !errors.Is(err, io.EOF) {
		_ = s.call.Send(packet{kind: packetError, data: []byte(err.Error())}.encode())
		return err
	}
	<-heard
	return s.call.Send(packet{kind: packetEnd}.encode())
}

// tell tells of all files.
func (s *sender) tell() error {
	for i := range s.files {
		if err := s.call.Send(packet{kind: packetStat, stat: &s.files[i].stat}.encode()); err != nil {
			return err
		}
	}
	return s.call.Send(packet{kind: packetStat}.encode())
}

// hear takes what the client asks for. A file can be asked for once.
func (s *sender) hear() error {
	asked := make([]bool, len(s.files))
	for {
		msg, err := s.call.Receive()
		if errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		p, err := readPacket(msg)
		switch {
		case err != nil:
			return err
		case p.kind == packetEnd:
			return io.EOF
		case p.kind == packetError:
			return fmt.Errorf("error from receiver: %s", p.data)
		case p.kind != packetRequest:
			return fmt.Errorf("unexpected packet of type %d", p.kind)
		case int(p.id) >= len(s.files) || asked[p.id] || !s.files[p.id].mode.IsRegular():
			return fmt.Errorf("invalid file id %d", p.id)
		}
		asked[p.id] = true
		s.mu.Lock()
		s.queue = append(s.queue, p.id)
		s.more.Signal()
		s.mu.Unlock()
	}
}

func (s *sender) finish(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end = err
	s.more.Broadcast()
}

// wanted is the next file that the client asks for, or why there is none.
func (s *sender) wanted() (uint32, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.queue) == 0 {
		if s.end != nil {
			return 0, s.end
		}
		s.more.Wait()
	}
	id := s.queue[0]
	s.queue = s.queue[1:]
	return id, nil
}

func (s *sender) content(id uint32) error {
	f := s.files[id]
	in := io.NewSectionReader(s.archive, f.at, f.size)
	buf := make([]byte, min(piece, f.size))
	for left := f.size; left > 0; {
		n, err := in.Read(buf)
		if err != nil {
			return err
		}
		left -= int64(n)
		if err := s.call.Send(packet{kind: packetData, id: id, data: buf[:n]}.encode()); err != nil {
			return err
		}
	}
	return s.call.Send(packet{kind: packetData, id: id}.encode())
}
