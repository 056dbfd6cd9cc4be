// SPDX-License-Identifier: Apache-2.0

package logfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// MaxLine is the longest piece of output in one object, in bytes: Docker's.
const MaxLine = 16 << 10

// Writer appends the output of one container. Its streams may be written at
// the same time.
type Writer struct {
	mu    sync.Mutex
	path  string
	r     Rotation
	attrs []byte // of every object: ,"attrs":{…}
	f     *os.File
	size  int64
	buf   []byte
	now   func() time.Time
}

// Create opens the log at path for appending, to be rotated as r says. attrs
// are kept with every line. A link is refused: the directory is ours, but what
// is in it may have been restored from an image.
func Create(path string, r Rotation, attrs map[string]string) (*Writer, error) {
	w := &Writer{path: path, r: r, now: time.Now}
	if len(attrs) > 0 {
		data, err := json.Marshal(attrs)
		if err != nil {
			return nil, err
		}
		w.attrs = append([]byte(`,"attrs":`), data...)
	}
	return w, w.open()
}

func (w *Writer) open() error {
	f, err := os.OpenFile(w.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return err
	}
	w.f, w.size = f, info.Size()
	return nil
}

// rotate moves the log to PATH.1, what is there to PATH.2 and so on, and
// begins a new one. Who has the old one open reads it to its end.
func (w *Writer) rotate() error {
	for n := w.r.Files - 1; n > 0; n-- {
		if err := os.Rename(rotated(w.path, n-1), rotated(w.path, n)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if w.r.Files < 2 {
		if err := os.Remove(w.path); err != nil {
			return err
		}
	}
	old := w.f
	if err := w.open(); err != nil {
		return err
	}
	return old.Close()
}

// rotated is the name of the nth older file; the 0th is the log itself.
func rotated(path string, n int) string {
	if n == 0 {
		return path
	}
	return path + "." + strconv.Itoa(n)
}

// Close closes the file. Streams flush by themselves.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.f.Close()
}

// Stream is the io.WriteCloser of one output, "stdout" or "stderr". What
// follows the last newline is held back until the line is complete, longer
// than MaxLine, or the stream is closed.
type Stream struct {
	w    *Writer
	name string
	rest []byte
}

// Stream returns the named stream of the log.
func (w *Writer) Stream(name string) io.WriteCloser { return &Stream{w: w, name: name} }

// Write logs p, all lines of it with the same time.
func (s *Stream) Write(p []byte) (int, error) {
	n := len(p)
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	tail := s.tail()
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		if i < 0 && len(s.rest)+len(p) < MaxLine {
			s.rest = append(s.rest, p...)
			break
		}
		end := i + 1
		if i < 0 || len(s.rest)+end > MaxLine {
			end = max(0, min(len(p), MaxLine-len(s.rest)))
		}
		if len(s.rest) > 0 {
			s.rest = append(s.rest, p[:end]...)
			s.w.appendEntry(s.rest, tail)
			s.rest = s.rest[:0]
		} else {
			s.w.appendEntry(p[:end], tail)
		}
		p = p[end:]
	}
	return n, s.w.flushLocked()
}

// Close logs what was held back.
func (s *Stream) Close() error {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	if len(s.rest) > 0 {
		s.w.appendEntry(s.rest, s.tail())
		s.rest = nil
	}
	return s.w.flushLocked()
}

// tail is what ends every object that is written now.
func (s *Stream) tail() []byte {
	t := make([]byte, 0, 80)
	t = append(t, `","stream":"`...)
	t = append(t, s.name...)
	t = append(t, '"')
	t = append(t, s.w.attrs...)
	t = append(t, `,"time":"`...)
	t = s.w.now().UTC().AppendFormat(t, time.RFC3339Nano)
	return append(t, "\"}\n"...)
}

// flushLocked writes what was gathered, in pieces of whole objects where the
// log is to be rotated.
func (w *Writer) flushLocked() error {
	rest := w.buf
	w.buf = w.buf[:0]
	if cap(w.buf) > 4<<20 {
		w.buf = nil
	}
	for len(rest) > 0 {
		n := len(rest)
		if w.r.Size > 0 {
			if w.size >= w.r.Size {
				if err := w.rotate(); err != nil {
					return err
				}
			}
			n = upTo(rest, w.r.Size-w.size)
		}
		if err := w.append(rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// upTo is the length of the objects that begin within the first size bytes.
func upTo(b []byte, size int64) int {
	if int64(len(b)) <= size {
		return len(b)
	}
	from := max(0, int(size)-1)
	if i := bytes.IndexByte(b[from:], '\n'); i >= 0 {
		return from + i + 1
	}
	return len(b)
}

// append writes whole objects or, on a full disk, nothing: half of one would
// spoil the next as well.
func (w *Writer) append(b []byte) error {
	n, err := w.f.Write(b)
	if err != nil && n > 0 {
		_ = w.f.Truncate(w.size)
		return err
	}
	w.size += int64(n)
	return err
}

func (w *Writer) appendEntry(line, tail []byte) {
	w.buf = append(w.buf, `{"log":"`...)
	w.buf = appendEscaped(w.buf, line)
	w.buf = append(w.buf, tail...)
}

// appendEscaped appends the inside of a JSON string. Bytes that are not UTF-8
// become U+FFFD, as in Docker.
func appendEscaped(dst, src []byte) []byte {
	const hex = "0123456789abcdef"
	start := 0
	for i := 0; i < len(src); {
		b := src[i]
		if b < utf8.RuneSelf {
			if b >= 0x20 && b != '"' && b != '\\' && b != '<' && b != '>' && b != '&' && b != 0x7f {
				i++
				continue
			}
			dst = append(dst, src[start:i]...)
			switch b {
			case '\n':
				dst = append(dst, '\\', 'n')
			case '\r':
				dst = append(dst, '\\', 'r')
			case '\t':
				dst = append(dst, '\\', 't')
			case '"', '\\':
				dst = append(dst, '\\', b)
			default:
				dst = append(dst, '\\', 'u', '0', '0', hex[b>>4], hex[b&15])
			}
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRune(src[i:])
		if r == utf8.RuneError && size == 1 || r == '\u2028' || r == '\u2029' {
			dst = append(dst, src[start:i]...)
			switch r {
			case '\u2028':
				dst = append(dst, `\u2028`...)
			case '\u2029':
				dst = append(dst, `\u2029`...)
			default:
				dst = append(dst, `\ufffd`...)
			}
			i += size
			start = i
			continue
		}
		i += size
	}
	return append(dst, src[start:]...)
}
