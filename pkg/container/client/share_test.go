// SPDX-License-Identifier: Apache-2.0

package client

import (
	"os"
	"strings"
	"testing"

	"coracle/pkg/container"
	"coracle/pkg/container/control"
	"coracle/pkg/ids"
)

// TestSurroundings are asked for from the container whose network is shared.
func TestSurroundings(t *testing.T) {
	for what, c := range map[string]struct {
		reply control.Reply
		files int
		want  string // of the error, or user,net
	}{
		"a network":    {control.Reply{Event: control.EventDone, Shared: &control.SharedNet{Files: "/f"}}, 2, "user,net"},
		"the host's":   {control.Reply{Event: control.EventDone, Shared: &control.SharedNet{Host: true}}, 1, "user"},
		"nothing":      {control.Reply{Event: control.EventDone}, 2, `unexpected answer "done"`},
		"one too few":  {control.Reply{Event: control.EventDone, Shared: &control.SharedNet{}}, 1, "unexpected answer"},
		"one too many": {control.Reply{Event: control.EventDone, Shared: &control.SharedNet{Host: true}}, 2, "unexpected answer"},
		"refused":      {control.Reply{Event: control.EventError, Error: "no"}, 0, "join network: ask container"},
	} {
		t.Run(what, func(t *testing.T) {
			s := newStore(t)
			other := create(t, s, container.Record{})
			sharer := create(t, s, container.Record{Net: container.Net{Mode: "container:" + other.ID}})
			if _, err := surroundingsOf(t.Context(), s, sharer); err == nil || err.Error() != "cannot join network of a non running container: "+other.ID {
				t.Errorf("of one that does not run: %v", err)
			}
			var files []*os.File // which outlive the conversation
			for range c.files {
				f, _ := pipe(t)
				files = append(files, f)
			}
			supervise(t, s, other.ID, container.State{}, func(conn *fakeConn, r control.Request, _ []*os.File) {
				conn.say(c.reply, files...)
			})
			a, err := surroundingsOf(t.Context(), s, sharer)
			if err != nil {
				if !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v, want %s", err, c.want)
				}
				return
			}
			defer a.close()
			if have := map[bool]string{true: "user,net", false: "user"}[a.net != nil]; a.user == nil || have != c.want || *a.shared != *c.reply.Shared {
				t.Errorf("%+v", a)
			}
		})
	}
}

// TestShareNothing: the container whose network is shared is gone.
func TestShareNothing(t *testing.T) {
	s := newStore(t)
	c := create(t, s, container.Record{Net: container.Net{Mode: "container:" + strings.Repeat("0", 64)}})
	if _, err := Launch(t.Context(), s, c, Start{}); err == nil || !strings.Contains(err.Error(), "No such container") {
		t.Errorf("%v", err)
	}
	(*surroundings)(nil).close()
}

// TestSameIDs refuses a user namespace that has other ids than this user's files.
func TestSameIDs(t *testing.T) {
	own, err := ids.Of(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if err := sameIDs(os.Getpid(), own); err != nil {
		t.Error(err)
	}
	if err := sameIDs(os.Getpid(), ids.Maps{}); err == nil || !strings.Contains(err.Error(), "restart it") {
		t.Errorf("%v", err)
	}
	if err := sameIDs(-1, own); err == nil {
		t.Error("of no process")
	}
}

// TestSupervisorEnv is what of the caller's environment outlives the command.
func TestSupervisorEnv(t *testing.T) {
	t.Setenv("SECRET", "s3cret")
	t.Setenv("TZ", "Asia/Tokyo")
	env := strings.Join(supervisorEnv(), "\n")
	if strings.Contains(env, "s3cret") || !strings.Contains(env, "TZ=Asia/Tokyo") || !strings.Contains(env, "PATH=/usr/sbin:") {
		t.Error(env)
	}
}
