// SPDX-License-Identifier: Apache-2.0

package client

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"coracle/pkg/container"
	"coracle/pkg/container/control"
	"coracle/pkg/container/transfer"
)

// TestStatPath is what is there, that nothing is, or why nobody knows.
func TestStatPath(t *testing.T) {
	s := newStore(t)
	c, _ := supervise(t, s, create(t, s, container.Record{}).ID, container.State{}, func(conn *fakeConn, r control.Request, files []*os.File) {
		switch o := r.Copy; string(o.Path) {
		case "/etc":
			conn.say(control.Reply{Event: control.EventDone, Info: &transfer.Info{Mode: fs.ModeDir | 0o755, Size: map[bool]int64{true: 1}[o.Follow]}, Link: []byte("\xff")})
		case "/none":
			conn.say(control.Reply{Event: control.EventDone})
		default:
			no(conn, r, files)
		}
	})
	if i, err := StatPath(t.Context(), c, "/etc", true); err != nil || i.Mode != fs.ModeDir|0o755 || i.Size != 1 || i.Name != "etc" || i.LinkTarget != "\xff" {
		t.Errorf("%+v, %v", i, err)
	}
	var missing *transfer.NotFoundError
	if _, err := StatPath(t.Context(), c, "/none", false); !errors.As(err, &missing) || missing.Path != "/none" {
		t.Errorf("%v", err)
	}
	if _, err := StatPath(t.Context(), c, "/other", false); !refused(err) {
		t.Errorf("%v", err)
	}
}

// TestCopyThrough gives the supervisor the pipe, and the caller its words.
func TestCopyThrough(t *testing.T) {
	var lost *control.OutputError
	var missing *transfer.NotFoundError
	var file *transfer.NotDirectoryError
	var closed *transfer.ReadOnlyError
	var none *transfer.NotArchiveError
	for what, c := range map[string]struct {
		reply control.Reply
		want  func(left []string, err error) bool
	}{
		"done":         {control.Reply{Event: control.EventDone, Left: []string{"a socket"}}, func(left []string, err error) bool { return len(left) == 1 && err == nil }},
		"missing":      {control.Reply{Event: control.EventError, Missing: true}, func(_ []string, err error) bool { return errors.As(err, &missing) && missing.Path == "/p" }},
		"no directory": {control.Reply{Event: control.EventError, NotDir: true}, func(_ []string, err error) bool { return errors.As(err, &file) && file.Path == "/p" }},
		"read-only":    {control.Reply{Event: control.EventError, ReadOnly: &transfer.ReadOnlyError{Mounted: true}}, func(_ []string, err error) bool { return errors.As(err, &closed) && closed.Mounted }},
		"no archive":   {control.Reply{Event: control.EventError, NoArchive: true, Error: "half"}, func(_ []string, err error) bool { return errors.As(err, &none) && none.Message == "half" }},
		"lost": {control.Reply{Event: control.EventLost, Stream: "theirs", Code: int(unix.ENOSPC)}, func(_ []string, err error) bool {
			return errors.As(err, &lost) && errors.Is(err, unix.ENOSPC) && lost.Stream != "theirs"
		}},
		"refused": {control.Reply{Event: control.EventError, Error: "no", Hint: "ask again"}, func(_ []string, err error) bool { return refused(err) }},
	} {
		t.Run(what, func(t *testing.T) {
			s := newStore(t)
			ctr, f := supervise(t, s, create(t, s, container.Record{}).ID, container.State{}, func(conn *fakeConn, _ control.Request, files []*os.File) {
				if len(files) != 1 {
					t.Errorf("%d files came", len(files))
				} else if _, err := files[0].WriteString("data"); err != nil {
					t.Error(err)
				}
				conn.say(c.reply)
			})
			r, w := pipe(t)
			left, err := CopyThrough(t.Context(), ctr, control.OpCopyOut, control.CopyOptions{Path: []byte("/p"), Follow: true}, w)
			if !c.want(left, err) {
				t.Errorf("%v, %v", left, err)
			}
			w.Close()
			if data, _ := io.ReadAll(r); string(data) != "data" {
				t.Errorf("%q", data)
			}
			if o := f.asked[0]; o.Op != control.OpCopyOut || o.Copy == nil || !o.Copy.Follow {
				t.Errorf("it was asked for %+v", o)
			}
		})
	}
}
