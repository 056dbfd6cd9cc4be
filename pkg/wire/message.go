// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// MaxMessage bounds the JSON of one message, in bytes.
const MaxMessage = 16 << 20

// MaxFiles bounds the descriptors of one message: the kernel's SCM_MAX_FD.
const MaxFiles = 253

// headSize is the length of the length.
const headSize = 4

// Socket is a connected stream socket: a *net.UnixConn, or an *os.File of one,
// in blocking mode or not.
type Socket interface {
	io.ReadWriteCloser
	syscall.Conn
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// Send writes v as one message, and copies of the files with it. The files stay
// the caller's. Without files it is nothing but write(2), which a process below
// a filter of system calls can be expected to be allowed.
func Send(s Socket, v any, files ...*os.File) error {
	msg, err := encode(v)
	if err != nil {
		return err
	}
	return write(s, msg, files)
}

func encode(v any) ([]byte, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("send message: %w", err)
	}
	if len(body) > MaxMessage {
		return nil, fmt.Errorf("send message: %d bytes are too many", len(body))
	}
	msg := binary.BigEndian.AppendUint32(make([]byte, 0, headSize+len(body)), uint32(len(body)))
	return append(msg, body...), nil
}

func write(s Socket, msg []byte, files []*os.File) error {
	if len(files) > 0 {
		// The descriptors travel with the first byte; what a stream socket
		// does not take of the rest follows without.
		n, err := writeFiles(s, msg, files)
		if err != nil {
			return err
		}
		if msg = msg[n:]; len(msg) == 0 {
			return nil // the other side may have closed by now, and writing nothing to it is an error, too
		}
	}
	_, err := s.Write(msg)
	return err
}

func writeFiles(s Socket, msg []byte, files []*os.File) (n int, err error) {
	if len(files) > MaxFiles {
		return 0, fmt.Errorf("send message: %d descriptors are too many", len(files))
	}
	fds := make([]int, len(files))
	for i, f := range files {
		fds[i] = int(f.Fd())
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return 0, err
	}
	var serr error
	err = raw.Write(func(fd uintptr) bool {
		n, serr = restarted(func() (int, error) {
			return unix.SendmsgN(int(fd), msg, unix.UnixRights(fds...), nil, unix.MSG_NOSIGNAL)
		})
		return !errors.Is(serr, unix.EAGAIN)
	})
	if err != nil {
		return 0, err
	}
	return n, os.NewSyscallError("sendmsg", serr)
}

// Receive reads one message into v and returns the descriptors that came with
// it, close-on-exec and the caller's to close. With an error there are none.
func Receive(s Socket, v any) ([]*os.File, error) {
	files, err := receive(s, v)
	if err != nil {
		CloseFiles(files)
		return nil, err
	}
	return files, nil
}

func receive(s Socket, v any) ([]*os.File, error) {
	var head [headSize]byte
	n, files, err := readHead(s, head[:])
	if err != nil {
		return files, err
	}
	if err := readRest(s, head[n:]); err != nil {
		return files, err
	}
	size := binary.BigEndian.Uint32(head[:])
	if size > MaxMessage {
		return files, fmt.Errorf("receive message: %d bytes are too many", size)
	}
	body := make([]byte, size)
	if err := readRest(s, body); err != nil {
		return files, err
	}
	if err := json.Unmarshal(body, v); err != nil {
		return files, fmt.Errorf("receive message: %w", err)
	}
	return files, nil
}

// readHead reads the first bytes of a message, at least one, and the
// descriptors that come with them.
func readHead(s Socket, head []byte) (n int, files []*os.File, err error) {
	raw, err := s.SyscallConn()
	if err != nil {
		return 0, nil, err
	}
	oob := make([]byte, unix.CmsgSpace(MaxFiles*4))
	var oobn int
	var rerr error
	err = raw.Read(func(fd uintptr) bool {
		n, rerr = restarted(func() (n int, err error) {
			n, oobn, _, _, err = unix.Recvmsg(int(fd), head, oob, unix.MSG_CMSG_CLOEXEC)
			return n, err
		})
		return !errors.Is(rerr, unix.EAGAIN)
	})
	switch {
	case err != nil:
		return 0, nil, err
	case rerr != nil:
		return 0, nil, os.NewSyscallError("recvmsg", rerr)
	case n == 0:
		return 0, nil, io.EOF
	}
	fds, err := Descriptors(oob[:oobn])
	for _, fd := range fds {
		files = append(files, os.NewFile(uintptr(fd), "received"))
	}
	return n, files, err
}

// Descriptors are those in the control messages of one recvmsg(2), which are
// the caller's from then on. With an error there may be some, too.
func Descriptors(oob []byte) ([]int, error) {
	if len(oob) == 0 {
		return nil, nil
	}
	list, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, fmt.Errorf("receive descriptors: %w", err)
	}
	var fds []int
	for _, m := range list {
		more, err := unix.ParseUnixRights(&m)
		if err != nil {
			continue // some other kind of control message, which carries nothing to close
		}
		fds = append(fds, more...)
	}
	return fds, nil
}

// readRest fills buf. The end of the stream is an error here, even at once: only
// between two messages does it mean that all is well.
func readRest(s Socket, buf []byte) error {
	_, err := io.ReadFull(s, buf)
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// restarted calls a system call until no signal has interrupted it.
func restarted(call func() (int, error)) (n int, err error) {
	for {
		if n, err = call(); !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}

// CloseFiles closes every file that is not nil.
func CloseFiles(files []*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
}
