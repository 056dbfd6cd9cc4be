// SPDX-License-Identifier: Apache-2.0

package logfile

import (
	"bytes"
	"os"
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
	mu  sync.Mutex
	f   *os.File
	buf []byte
	now func() time.Time
}

// Create opens the log at path for appending. A link is refused: the directory
// is ours, but what is in it may have been restored from an image.
func Create(path string) (*Writer, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	return &Writer{f: f, now: time.Now}, nil
}

// Close closes the file. Streams flush by themselves.
func (w *Writer) Close() error { return w.f.Close() }

// Stream is the io.WriteCloser of one output, "stdout" or "stderr". What
// follows the last newline is held back until the line is complete, longer
// than MaxLine, or the stream is closed.
type Stream struct {
	w    *Writer
	name string
	rest []byte
}

// Stream returns the named stream of the log.
func (w *Writer) Stream(name string) *Stream { return &Stream{w: w, name: name} }

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
	t = append(t, `","time":"`...)
	t = s.w.now().UTC().AppendFormat(t, time.RFC3339Nano)
	return append(t, "\"}\n"...)
}

func (w *Writer) flushLocked() error {
	if len(w.buf) == 0 {
		return nil
	}
	_, err := w.f.Write(w.buf)
	w.buf = w.buf[:0]
	if cap(w.buf) > 4<<20 {
		w.buf = nil
	}
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
