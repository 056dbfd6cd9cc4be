// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"coracle/pkg/container"
	"coracle/pkg/container/control"
	"coracle/pkg/container/logfile"
)

// logLine is an entry as it stands in the file.
func logLine(text string) string {
	return `{"log":"` + text + `\n","stream":"stdout","time":"2024-01-02T03:04:05.000000000Z"}` + "\n"
}

func appendLog(t *testing.T, c *container.Container, lines ...string) {
	t.Helper()
	f, err := os.OpenFile(c.Dir().Log(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err == nil {
		_, err = f.WriteString(strings.Join(lines, ""))
		f.Close()
	}
	if err != nil {
		t.Error(err)
	}
}

// TestLogs are those of a container that does not run: there is nothing to follow.
func TestLogs(t *testing.T) {
	s := newStore(t)
	c := create(t, s, container.Record{})
	appendLog(t, c, logLine("one"), logLine("two"))
	var have []string
	read := func(ctx context.Context) error {
		return Logs(ctx, s, c, logfile.Options{Tail: -1, Follow: true}, func(e logfile.Entry) error {
			have = append(have, strings.TrimSpace(string(e.Text)))
			return nil
		})
	}
	if err := read(t.Context()); err != nil || !slices.Equal(have, []string{"one", "two"}) {
		t.Errorf("%v, %v", have, err)
	}
	have = nil
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := read(ctx); !errors.Is(err, context.Canceled) || len(have) != 0 {
		t.Errorf("when nobody listens: %v, %v", have, err)
	}
}

// TestFollowedLogs end with the container, with all it has said, or with the
// context, and leave nobody who waits.
func TestFollowedLogs(t *testing.T) {
	for _, how := range []string{"ends", "cancelled", "reader has enough"} {
		t.Run(how, func(t *testing.T) {
			s := newStore(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			c := create(t, s, container.Record{})
			end, left := make(chan struct{}), make(chan struct{})
			c, f := supervise(t, s, c.ID, container.State{}, func(conn *fakeConn, _ control.Request, _ []*os.File) {
				defer close(left)
				if how != "ends" {
					conn.left()
					return
				}
				<-end
				appendLog(t, c, logLine("last"))
				conn.say(control.Reply{Event: control.EventExit})
			})
			appendLog(t, c, logLine("first"))
			enough := errors.New("enough")
			var have []string
			err := Logs(ctx, s, c, logfile.Options{Tail: -1, Follow: true}, func(e logfile.Entry) error {
				have = append(have, strings.TrimSpace(string(e.Text)))
				switch {
				case how == "reader has enough":
					return enough
				case len(have) == 1:
					close(end)
					if how == "cancelled" {
						cancel()
					}
				}
				return nil
			})
			want, wantErr := []string{"first"}, map[string]error{"cancelled": context.Canceled, "reader has enough": enough}[how]
			if how == "ends" {
				want = append(want, "last")
			}
			if !slices.Equal(have, want) || !errors.Is(err, wantErr) {
				t.Errorf("%v, %v; want %v", have, err, want)
			}
			if len(f.requests()) > 0 { // else it was over before anybody could ask
				<-left
			}
		})
	}
}
