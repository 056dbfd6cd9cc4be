// SPDX-License-Identifier: Apache-2.0

package container

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestNeighbours(t *testing.T) {
	if list := new(Record).Neighbours(); list != nil {
		t.Errorf("of one by itself: %v", list)
	}
	r := Record{Net: Net{Mode: "container:a"}, Safety: Safety{PIDOf: "b", IPCOf: "c"}}
	if list, want := r.Neighbours(), []Neighbour{{NeighbourNetwork, "a"}, {NeighbourPID, "b"}, {NeighbourIPC, "c"}}; !reflect.DeepEqual(list, want) {
		t.Errorf("%v, want %v", list, want)
	}
}

// TestWhoCanBeJoined has Docker's words for those who cannot.
func TestWhoCanBeJoined(t *testing.T) {
	for _, c := range []struct {
		kind   string
		status Status
		safety Safety
		want   string
	}{
		{NeighbourNetwork, Running, Safety{}, ""},
		{NeighbourNetwork, Restarting, Safety{}, ""},
		{NeighbourNetwork, Exited, Safety{}, "cannot join network of a non running container: x"},
		{NeighbourPID, Running, Safety{}, ""},
		{NeighbourPID, Paused, Safety{}, ""},
		{NeighbourPID, Created, Safety{}, "failed to join PID namespace: container x is not running"},
		{NeighbourPID, Restarting, Safety{}, "failed to join PID namespace: Container x is restarting, wait until the container is running"},
		{NeighbourIPC, Exited, Safety{ShareableIPC: true}, "failed to join IPC namespace: container x is not running"},
		{NeighbourIPC, Running, Safety{}, "failed to join IPC namespace: container x: non-shareable IPC (hint: use IpcMode:shareable for the donor container)"},
		{NeighbourIPC, Running, Safety{NoShm: true}, "failed to join IPC namespace: container x: non-shareable IPC (hint: use IpcMode:shareable for the donor container)"},
		{NeighbourIPC, Running, Safety{ShareableIPC: true}, ""},
		{NeighbourIPC, Running, Safety{HostIPC: true}, ""},
		{NeighbourIPC, Running, Safety{IPCOf: "y"}, ""},
	} {
		other := &Container{Record: Record{Safety: c.safety}, State: State{Status: c.status}}
		text := ""
		if err := (Neighbour{c.kind, "x"}).Check(other); err != nil {
			text = err.Error()
		}
		if text != c.want {
			t.Errorf("%s of one that is %s with %+v: %q, want %q", c.kind, c.status, c.safety, text, c.want)
		}
	}
	cause := errors.New("cause")
	if err := (Neighbour{NeighbourNetwork, "x"}).Refuse(cause); !errors.Is(err, cause) || !strings.HasPrefix(err.Error(), "join network: ") {
		t.Error(err)
	}
}
