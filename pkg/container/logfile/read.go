// SPDX-License-Identifier: Apache-2.0

package logfile

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

// Entry is one object of the log.
type Entry struct {
	Text   []byte // valid until the next entry is read
	Stream string
	Time   string // RFC 3339 with nanoseconds
	Attrs  map[string]string
}

// Prefix is what stands before an entry where that is asked for: the time, and the
// attributes as Docker shows them: k=v,k2=v2, escaped as in an address.
func (e Entry) Prefix(stamps, details bool) string {
	text := ""
	if stamps {
		text = padded(e.Time) + " "
	}
	if !details {
		return text
	}
	var list []string
	for k, v := range e.Attrs {
		list = append(list, url.QueryEscape(k)+"="+url.QueryEscape(v))
	}
	slices.Sort(list)
	return text + strings.Join(list, ",") + " "
}

// padded is a time with all nine digits of its fraction, as Docker shows it.
func padded(stamp string) string {
	clock, ok := strings.CutSuffix(stamp, "Z")
	seconds, fraction, _ := strings.Cut(clock, ".")
	if !ok || len(fraction) > 9 {
		return stamp
	}
	return seconds + "." + fraction + "000000000"[len(fraction):] + "Z"
}

// Options choose entries.
type Options struct {
	Tail         int // the last so many lines; negative: all
	Since, Until time.Time
	// Follow goes on with new entries until Done is closed; what was logged
	// before that is still read.
	Follow bool
	Done   <-chan struct{}
}

// Read calls each with every chosen entry of the log at path, in order, the
// rotated files first. A missing file is an empty log.
func Read(path string, o Options, each func(Entry) error) error {
	r := &reader{path: path, o: o, each: each}
	defer func() { closeAll(append(r.next, r.f)) }()
	var err error
	if r.next, err = openAll(path, nil); err != nil {
		return fmt.Errorf("read log: %w", err)
	}
	if o.Tail >= 0 {
		if err := r.seekTail(o.Tail); err != nil {
			return fmt.Errorf("read log: %w", err)
		}
	}
	if o.Follow {
		err = r.follow()
	} else {
		err = r.drainAll()
	}
	if errors.Is(err, errPastUntil) {
		return nil
	}
	return err
}

type reader struct {
	path string
	f    *os.File   // what r reads
	next []*os.File // what comes after it, as far as it was looked for
	r    *bufio.Reader
	o    Options
	each func(Entry) error
	part []byte // an object whose end is not written yet, or did not fit the buffer
	text []byte
	last string // the newest time seen, to pass Since and Until quickly
}

// drainAll reads up to the last whole object of the newest file.
func (r *reader) drainAll() error {
	for {
		if r.f != nil {
			if err := r.drain(); err != nil {
				return err
			}
		}
		if len(r.next) == 0 {
			return nil
		}
		r.step()
	}
}

// step goes on to the next file.
func (r *reader) step() {
	if r.f != nil {
		r.f.Close()
	}
	r.f, r.next, r.part = r.next[0], r.next[1:], r.part[:0]
	if r.r == nil {
		r.r = bufio.NewReaderSize(r.f, 1<<20)
	} else {
		r.r.Reset(r.f)
	}
}

// drain reads up to the last whole object of one file.
func (r *reader) drain() error {
	for {
		line, err := r.r.ReadSlice('\n')
		if err != nil || len(r.part) > 0 {
			r.part = append(r.part, line...)
			line = r.part
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read log: %w", err)
		}
		if err := r.entry(line); err != nil {
			return err
		}
		r.part = r.part[:0]
	}
}

var errPastUntil = errors.New("past the end")

func (r *reader) entry(line []byte) error {
	e, err := r.decode(line)
	if err != nil {
		return nil // a damaged line, after a full disk for one, hides no others
	}
	if !r.o.Since.IsZero() || !r.o.Until.IsZero() {
		t, err := time.Parse(time.RFC3339Nano, e.Time)
		if err != nil || t.Before(r.o.Since) {
			return nil
		}
		if !r.o.Until.IsZero() && t.After(r.o.Until) {
			return errPastUntil
		}
	}
	return r.each(e)
}

// decode takes the form that Writer writes apart by hand, several times faster
// than encoding/json, and leaves everything else to that.
func (r *reader) decode(line []byte) (Entry, error) {
	if rest, ok := bytes.CutPrefix(line, []byte(`{"log":"`)); ok {
		end := stringEnd(rest)
		if end >= 0 {
			text := rest[:end]
			stream, ok := bytes.CutPrefix(rest[end:], []byte(`","stream":"`))
			name, at, ok2 := bytes.Cut(stream, []byte(`","time":"`))
			stamp, ok3 := bytes.CutSuffix(at, []byte("\"}\n"))
			if ok && ok2 && ok3 {
				if bytes.IndexByte(text, '\\') >= 0 {
					if r.text, ok = unescape(r.text[:0], text); ok {
						return Entry{Text: r.text, Stream: streamName(name), Time: r.stamp(stamp)}, nil
					}
				} else {
					return Entry{Text: text, Stream: streamName(name), Time: r.stamp(stamp)}, nil
				}
			}
		}
	}
	var e struct {
		Log, Stream, Time string
		Attrs             map[string]string
	}
	if err := json.Unmarshal(line, &e); err != nil {
		return Entry{}, err
	}
	return Entry{Text: []byte(e.Log), Stream: e.Stream, Time: e.Time, Attrs: e.Attrs}, nil
}

// stamp keeps one string for the many entries of one write.
func (r *reader) stamp(b []byte) string {
	if r.last != string(b) {
		r.last = string(b)
	}
	return r.last
}

func streamName(b []byte) string {
	switch string(b) {
	case "stdout":
		return "stdout"
	case "stderr":
		return "stderr"
	}
	return string(b)
}

// stringEnd returns the index of the quote that ends a JSON string.
func stringEnd(b []byte) int {
	for i := 0; i < len(b); {
		j := bytes.IndexByte(b[i:], '"')
		if j < 0 {
			return -1
		}
		j += i
		back := 0
		for j-back > 0 && b[j-back-1] == '\\' {
			back++
		}
		if back%2 == 0 {
			return j
		}
		i = j + 1
	}
	return -1
}

// unescape undoes appendEscaped; ok is false for an escape that it does not
// write.
func unescape(dst, src []byte) ([]byte, bool) {
	for i := 0; i < len(src); i++ {
		b := src[i]
		if b != '\\' {
			dst = append(dst, b)
			continue
		}
		i++
		if i == len(src) {
			return dst, false
		}
		switch src[i] {
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case '"', '\\':
			dst = append(dst, src[i])
		case 'u':
			if i+5 > len(src) {
				return dst, false
			}
			n, ok := hex4(src[i+1 : i+5])
			if !ok || n >= 0xd800 && n < 0xe000 {
				return dst, false
			}
			dst = append(dst, string(rune(n))...)
			i += 4
		default:
			return dst, false
		}
	}
	return dst, true
}

func hex4(b []byte) (n int, ok bool) {
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9':
			n = n<<4 | int(c-'0')
		case c >= 'a' && c <= 'f':
			n = n<<4 | int(c-'a'+10)
		default:
			return 0, false
		}
	}
	return n, true
}
