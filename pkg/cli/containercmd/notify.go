// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"coracle/pkg/cli/command"
	"coracle/pkg/container"
	"coracle/pkg/container/client"
	"coracle/pkg/events"
	"coracle/pkg/systemd"
)

// errEnough ends the reading of events.
var errEnough = errors.New("enough")

// tellReady tells the service manager of a container that was started after
// began: that it is ready once it is healthy, or at once when nothing checks that,
// and then how its health changes. It returns when the context ends, or with once
// when it has said that the container is ready.
func tellReady(ctx context.Context, cs *container.Store, ctr *container.Container, m *systemd.Manager, began time.Time, once bool) {
	if h := ctr.State.Health; !ctr.Health.Enabled() || once && h != nil && h.Status == container.Healthy {
		m.Tell("READY=1", "STATUS=container "+ctr.Name+" runs")
		return
	}
	m.Tell("STATUS=container " + ctr.Name + " runs, health: " + container.HealthStarting)
	_ = events.Read(ctx, cs.Dirs().Root, events.Options{Since: began, Follow: true}, func(ev events.Event) error {
		health, found := strings.CutPrefix(ev.Action, "health_status: ")
		if !found || ev.Type != events.Container || ev.Actor.ID != ctr.ID {
			return nil
		}
		status := "STATUS=container " + ctr.Name + " is " + health
		if health != container.Healthy {
			m.Tell(status)
			return nil
		}
		m.Tell("READY=1", status)
		if once {
			return errEnough
		}
		return nil
	})
}

// handOver tells the manager of a container that runs on without this command: its
// supervisor is the service's main process. It returns when the container is ready.
func handOver(ctx context.Context, cs *container.Store, ctr *container.Container, m *systemd.Manager, began time.Time) error {
	if m == nil {
		return nil
	}
	now, err := cs.Load(ctr.ID)
	if err != nil {
		return err
	}
	m.Tell("MAINPID=" + strconv.Itoa(now.State.Supervisor.Pid))
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	down := make(chan error, 1)
	go func() {
		defer cancel()
		err := client.WaitDown(waiting, cs, now)
		if waiting.Err() == nil {
			down <- err
		}
	}()
	tellReady(waiting, cs, now, m, began, true)
	select {
	case err := <-down:
		if err == nil && ctr.Health.Enabled() {
			err = fmt.Errorf("container %s ended before it was healthy", ctr.Name)
		}
		return err
	default:
		return nil
	}
}

// announce tells a service manager of the start of a container that this command
// stays with; what it returns tells of the end.
func announce(ctx context.Context, e *command.Env, ctr *container.Container, m *systemd.Manager, began time.Time) (end func()) {
	if m == nil {
		return func() {}
	}
	telling, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if cs, err := e.Containers(); err == nil {
			tellReady(telling, cs, ctr, m, began, false)
		}
	}()
	return func() {
		cancel()
		<-done
		m.Stopping()
	}
}
