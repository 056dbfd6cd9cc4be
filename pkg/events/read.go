// SPDX-License-Identifier: Apache-2.0

package events

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"coracle/pkg/state"
)

// Options choose events by time. Zero times are without bound.
type Options struct {
	Since, Until time.Time
	// Past gives the events that happened before now; without it and with a
	// zero Since, there are only those to come.
	Past bool
	// Follow waits for events until Until, or until the context ends.
	Follow bool
	// Ready, if not nil, is called once no event is missed that is written from then
	// on, before any is given.
	Ready func()
}

// maxLine bounds an event: a command line and the labels of a container.
const maxLine = 1 << 20

// Read calls each for the events of the journal in dir, in the order they were
// written, until it returns an error.
func Read(ctx context.Context, dir string, o Options, each func(Event) error) error {
	r := &reader{dir: dir, o: o, each: each}
	// The watch comes first, so that nothing falls between reading and waiting.
	var w *state.Watcher
	if o.Follow {
		var err error
		if w, err = state.Watch(dir); err != nil {
			return fmt.Errorf("watch events: %w", err)
		}
		defer w.Close()
		if !o.Until.IsZero() {
			var cancel context.CancelFunc
			ctx, cancel = context.WithDeadline(ctx, o.Until)
			defer cancel()
		}
	}
	defer r.close()
	only := !o.Past && o.Since.IsZero()
	if only {
		if err := r.skip(); err != nil {
			return err
		}
	}
	if o.Ready != nil {
		o.Ready()
	}
	if only {
		// Nothing of the older file counts.
	} else if err := r.file(oldName); err != nil {
		return err
	}
	for {
		if err := r.more(); err != nil || !o.Follow {
			return err
		}
		select {
		case <-w.Changed:
		case <-ctx.Done(): // the time is up
			return nil
		}
	}
}

// reader reads a journal that grows.
type reader struct {
	dir  string
	o    Options
	each func(Event) error
	f    *os.File // the journal, once there is one
	rest []byte   // the beginning of a line
}

func (r *reader) close() {
	if r.f != nil {
		r.f.Close()
	}
}

func (r *reader) open(name string) (*os.File, error) {
	root, err := os.OpenRoot(r.dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return f, err
}

// file reads a whole file, if there is one.
func (r *reader) file(name string) error {
	f, err := r.open(name)
	if f == nil || err != nil {
		return err
	}
	defer f.Close()
	return r.read(f)
}

// skip passes over what is in the journal: it may be megabytes.
func (r *reader) skip() (err error) {
	if r.f, err = r.open(fileName); r.f == nil || err != nil {
		return err
	}
	if _, err = r.f.Seek(0, io.SeekEnd); err != nil {
		return fmt.Errorf("read events: %w", err)
	}
	return nil
}

// more reads what the journal has got since, and goes on to the next when it
// was begun again.
func (r *reader) more() (err error) {
	for {
		if r.f == nil {
			if r.f, err = r.open(fileName); r.f == nil || err != nil {
				return err
			}
		}
		if err := r.read(r.f); err != nil {
			return err
		}
		same, err := r.current()
		if same || err != nil {
			return err
		}
		if err := r.read(r.f); err != nil { // what came before it was renamed
			return err
		}
		r.f.Close()
		r.f = nil
	}
}

// current reports whether the open file is still the journal, or the last one
// there was.
func (r *reader) current() (bool, error) {
	now, err := r.open(fileName)
	if now == nil || err != nil {
		return true, err
	}
	defer now.Close()
	a, err := r.f.Stat()
	if err != nil {
		return false, err
	}
	b, err := now.Stat()
	return err == nil && os.SameFile(a, b), err
}

func (r *reader) read(f *os.File) error {
	in := bufio.NewReader(f)
	for {
		line, err := in.ReadSlice('\n')
		if len(r.rest) <= maxLine { // what is longer is no event
			r.rest = append(r.rest, line...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read events: %w", err)
		}
		var e Event
		bad := json.Unmarshal(r.rest, &e) // a line that a full disk cut off
		r.rest = r.rest[:0]
		at := time.Unix(0, e.TimeNano)
		if bad != nil || e.Type == "" || at.Before(r.o.Since) || !r.o.Until.IsZero() && at.After(r.o.Until) {
			continue
		}
		if err := r.each(e); err != nil {
			return err
		}
	}
}
