// SPDX-License-Identifier: Apache-2.0

package composecmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"sync"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"golang.org/x/sys/unix"

	"coracle/pkg/cli/command"
	"coracle/pkg/compose"
	"coracle/pkg/container"
	"coracle/pkg/container/client"
)

// foreground is an up that stays: it shows what the containers say until all have
// ended, or it is told to end.
type foreground struct {
	*session
	p     *types.Project
	print *printer
	began time.Time

	end    context.CancelCauseFunc // of starting and following
	ended  sync.WaitGroup          // containers that run
	mu     sync.Mutex
	seen   map[string]bool
	code   int
	from   string // whose code it is
	asked  bool   // to stop all
	halted chan struct{}
}

var errHalted = errors.New("stopped")

func (s *session) foreground(ctx context.Context, p *types.Project, has compose.Observed) error {
	f := &foreground{session: s, p: p, began: time.Now(), seen: map[string]bool{}, from: s.c.String("exit-code-from"), halted: make(chan struct{})}
	list := has.Containers(p.ServiceNames()...)
	f.print = newPrinter(s, list)
	sigs := make(chan os.Signal, 4)
	for _, sig := range []os.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP} {
		if !signal.Ignored(sig) { // by nohup(1)
			signal.Notify(sigs, sig)
		}
	}
	defer signal.Stop(sigs)
	starting, end := context.WithCancelCause(ctx)
	defer end(nil)
	f.end = end
	f.announce(has)
	for _, c := range list {
		if c.State.IsRunning() {
			f.follow(ctx, c)
		}
	}
	done := make(chan error, 1)
	go func() {
		err := s.engine.Start(starting, p, has, s.engine.NewWatch(starting), func(c *container.Container) { f.follow(ctx, c) })
		if err == nil {
			f.ended.Wait()
		}
		done <- err
	}()
	return f.await(ctx, done, sigs)
}

// announce says whose output is shown.
func (f *foreground) announce(has compose.Observed) {
	var names []string
	for _, c := range has.Containers(f.p.ServiceNames()...) {
		if f.attaches(compose.ServiceOf(c)) {
			names = append(names, f.print.name(c))
		}
	}
	if len(names) > 0 {
		fmt.Fprintf(f.Stdout, "Attaching to %s\n", join(names))
	}
}

// attaches reports whether the output of a service is shown.
func (f *foreground) attaches(service string) bool {
	only, not, named := f.c.StringSlice("attach"), f.c.StringSlice("no-attach"), f.c.Args().Slice()
	s := f.p.Services[service]
	switch {
	case slices.Contains(not, service):
		return false
	case len(only) > 0:
		return slices.Contains(only, service)
	case s.Attach != nil && !*s.Attach:
		return false
	case f.c.Bool("attach-dependencies"):
		return true
	}
	return contains(named, service)
}

// await returns when all containers have ended, or when somebody wanted that.
func (f *foreground) await(ctx context.Context, done chan error, sigs chan os.Signal) error {
	signals := 0
	for {
		select {
		case err := <-done:
			switch {
			case signals > 0:
				<-f.halted
				return command.Exit(interrupted)
			case f.halting():
				<-f.halted
				return command.Exit(f.code)
			case err != nil && !errors.Is(err, errHalted):
				return err
			}
			return command.Exit(f.code)
		case <-sigs:
			switch signals++; signals {
			case 1:
				fmt.Fprintln(f.Stderr, "Gracefully Stopping... press Ctrl+C again to force")
				f.halt(ctx)
			case 2:
				go f.killAll(ctx)
			}
		}
	}
}

// halt stops all containers, once.
func (f *foreground) halt(ctx context.Context) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.asked {
		return
	}
	f.asked = true
	f.end(errHalted)
	go func() {
		defer close(f.halted)
		if has, err := f.engine.Observe(f.p.Name); err == nil {
			if err := f.engine.Stop(ctx, running(has.Containers(f.p.ServiceNames()...)), timeout(f.c), f.p); err != nil {
				command.Tell(f.Env, err)
			}
		}
	}()
}

func (f *foreground) halting() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked
}

func (f *foreground) killAll(ctx context.Context) {
	if has, err := f.engine.Observe(f.p.Name); err == nil {
		_ = f.engine.Signal(ctx, running(has.Containers(f.p.ServiceNames()...)), unix.SIGKILL)
	}
}

func running(list []*container.Container) []*container.Container {
	return slices.DeleteFunc(slices.Clone(list), func(c *container.Container) bool { return !c.State.IsRunning() })
}

// follow shows the output of a container that was started, or runs already, until it
// is down.
func (f *foreground) follow(ctx context.Context, c *container.Container) {
	f.mu.Lock()
	known := f.seen[c.ID]
	f.seen[c.ID] = true
	f.mu.Unlock()
	if known {
		return
	}
	f.ended.Add(1)
	go func() {
		defer f.ended.Done()
		cs := container.NewStore(f.engine.Dirs)
		now, err := cs.Load(c.ID)
		if err != nil {
			return
		}
		if f.attaches(compose.ServiceOf(c)) {
			_ = f.print.follow(ctx, cs, now, logChoice{follow: true, tail: -1, since: f.began})
		}
		_ = client.WaitDown(ctx, cs, now)
		if now, err = cs.Load(c.ID); err == nil {
			f.down(ctx, now)
		}
	}()
}

// down is the end of a container.
func (f *foreground) down(ctx context.Context, c *container.Container) {
	service, code := compose.ServiceOf(c), c.State.ExitCode
	if f.attaches(service) {
		f.print.line(fmt.Sprintf("%s exited with code %d", f.print.name(c), code))
	}
	any, failure := f.c.Bool("abort-on-container-exit") || f.c.String("exit-code-from") != "", f.c.Bool("abort-on-container-failure")
	if !any && !(failure && code != 0) {
		return
	}
	f.mu.Lock()
	if f.from == "" {
		f.from = service
	}
	if f.from == service {
		f.code = code
	}
	f.mu.Unlock()
	f.halt(ctx)
}
