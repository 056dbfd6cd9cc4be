// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"coracle/pkg/cli/command"
	"coracle/pkg/container"
	"coracle/pkg/container/client"
	"coracle/pkg/docker"
	"coracle/pkg/events"
	"coracle/pkg/systemd"
)

// service is what this process knows of being one: its manager, or nil, and the
// socket by which the container's programs tell that they are ready, or nil.
type service struct {
	*systemd.Manager
	inside *systemd.Inside
}

// insideDir is where the container's programs find that socket, as with podman.
const insideDir = "/run/notify"

// takeService looks for the manager of a container that is about to be run, and
// makes the socket when the flags ask for it (--sdnotify).
func takeService(e *command.Env, c *cli.Context, id string) (s service, err error) {
	switch how := c.String("sdnotify"); {
	case how == "ignore":
		_ = systemd.TakeManager()
		return s, nil
	case how == "container" && (c.Bool("detach") || !c.Bool("rm")):
		return s, errors.New("--sdnotify=container is for services in the foreground that make their container anew: with --rm, and without -d")
	case how == "container":
		if s.Manager = systemd.TakeManager(); s.Manager == nil {
			return s, nil
		}
		d, err := e.Open()
		if err == nil {
			s.inside, err = systemd.Listen(d.Notify(id))
		}
		return s, err
	case how != "" && how != "healthy":
		return s, fmt.Errorf("--sdnotify=%s: it is one of container, healthy, ignore", how)
	}
	s.Manager = systemd.TakeManager()
	return s, nil
}

// show lets the container's programs find the socket.
func (s service) show(q *docker.CreateRequest) {
	if s.inside != nil {
		q.HostConfig.Binds = append(q.HostConfig.Binds, s.inside.Dir()+":"+insideDir)
		q.Env = append(q.Env, "NOTIFY_SOCKET="+insideDir+"/"+systemd.InsideSocket)
	}
}

// exitCode is the service's when its container ended with code: one that was
// stopped and had to be killed for it has not failed, and is not to be started again.
func (s service) exitCode(ctx context.Context, cs *container.Store, ctr *container.Container, code int) int {
	if s.Manager == nil || code != 128+int(unix.SIGKILL) {
		return code
	}
	stopped := false
	if now, err := cs.Load(ctr.ID); err == nil {
		stopped = now.State.Stopped
	} else { // --rm
		_ = events.Read(ctx, cs.Dirs().Root, events.Options{Since: ctr.Created}, func(ev events.Event) error {
			stopped = stopped || ev.Type == events.Container && ev.Action == "stop" && ev.Actor.ID == ctr.ID
			return nil
		})
	}
	if stopped {
		return 128 + int(unix.SIGTERM)
	}
	return code
}

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
		_, err := client.WaitDown(waiting, cs, now)
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
func announce(ctx context.Context, e *command.Env, ctr *container.Container, m service, began time.Time) (end func()) {
	if m.Manager == nil {
		return func() {}
	}
	telling, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if m.inside != nil {
			m.inside.Forward(m.Manager)
			return
		}
		if cs, err := e.Containers(); err == nil {
			tellReady(telling, cs, ctr, m.Manager, began, false)
		}
	}()
	return func() {
		cancel()
		m.inside.Close()
		<-done
		m.Stopping()
	}
}
