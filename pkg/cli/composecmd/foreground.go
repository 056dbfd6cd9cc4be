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
)

// foreground is an up that stays: it shows what the containers say until all have
// ended, or it is told to end.
type foreground struct {
	*session
	p     *types.Project
	crowd *crowd

	end    context.CancelCauseFunc // of starting and watching
	mu     sync.Mutex
	code   int
	from   string // whose code it is
	asked  bool   // to stop all
	halted chan struct{}
}

var errHalted = errors.New("stopped")

func (s *session) foreground(ctx context.Context, p *types.Project, has compose.Observed) error {
	f := &foreground{session: s, p: p, from: s.c.String("exit-code-from"), halted: make(chan struct{})}
	services := f.services()
	list := has.Containers(services...)
	f.crowd = &crowd{
		session: s, print: newPrinter(s, list), project: p.Name, services: services, choice: logChoice{follow: true, tail: -1, since: time.Now()},
		shows: func(c *container.Container) bool { return f.attaches(compose.ServiceOf(c)) }, ended: f.down,
	}
	sigs := make(chan os.Signal, 4)
	for _, sig := range []os.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP} {
		if !signal.Ignored(sig) { // by nohup(1)
			signal.Notify(sigs, sig)
		}
	}
	defer signal.Stop(sigs)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	starting, end := context.WithCancelCause(ctx)
	defer end(nil)
	f.end = end
	f.announce(list)
	f.crowd.expect(list)
	f.crowd.listen(ctx)
	for _, c := range running(list) {
		f.crowd.follow(ctx, c)
	}
	wait, err := f.develop(ctx, starting)
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() {
		err := s.engine.Start(starting, p, has, s.engine.NewWatch(starting), func(c *container.Container) { f.crowd.follow(ctx, c) })
		if err == nil {
			<-f.crowd.left(starting)
		}
		end(errHalted)
		_ = wait()
		done <- err
	}()
	return f.await(ctx, done, sigs)
}

// develop watches the project's files where that was asked for.
func (f *foreground) develop(ctx, until context.Context) (wait func() error, err error) {
	if !f.c.Bool("watch") {
		return func() error { return nil }, nil
	}
	return compose.Develop(until, f.engine, f.p, compose.DevelopChoices{
		Choices: compose.Choices{ReadFile: readFile}, Log: f.crowd.print.watched,
		Busy: func([]string) func() {
			f.crowd.hold()
			return func() { f.crowd.release(ctx) }
		},
	})
}

// services are those whose ends are the end of up: those that were named, or else those
// whose output is shown. Without any they are all.
func (f *foreground) services() []string {
	list := f.c.Args().Slice()
	if len(list) == 0 {
		list = slices.DeleteFunc(f.p.ServiceNames(), func(name string) bool { return !f.attaches(name) })
	}
	if len(list) == 0 {
		list = f.p.ServiceNames()
	}
	return list
}

// announce says whose output is shown.
func (f *foreground) announce(list []*container.Container) {
	var names []string
	for _, c := range list {
		if f.crowd.shows(c) {
			names = append(names, f.crowd.print.name(c))
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
	var halted chan struct{} // nil until nothing is started any more
	for {
		select {
		case err := <-done:
			if !f.halting() {
				return err
			}
			halted = f.halted
		case <-halted:
			f.settle(ctx)
			if signals > 0 {
				return command.Exit(interrupted)
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
		f.stopAll(ctx)
	}()
}

func (f *foreground) stopAll(ctx context.Context) {
	if has, err := f.engine.Observe(f.p.Name); err == nil {
		if err := f.engine.Stop(ctx, running(has.Containers(f.p.ServiceNames()...)), timeout(f.c), f.p); err != nil {
			command.Tell(f.Env, err)
		}
	}
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

// lastWords is how long what containers have said at their end is waited for.
const lastWords = 2 * time.Second

// settle stops what was just being started when all were stopped, and lets the others
// say what they had to.
func (f *foreground) settle(ctx context.Context) {
	f.stopAll(ctx)
	select {
	case <-f.crowd.left(ctx):
	case <-time.After(lastWords):
	}
}

// down is the end of a container.
func (f *foreground) down(ctx context.Context, c *container.Container) {
	service, code := compose.ServiceOf(c), c.State.ExitCode
	any, failure := f.c.Bool("abort-on-container-exit") || f.c.String("exit-code-from") != "", f.c.Bool("abort-on-container-failure")
	if !any && !(failure && code != 0) || f.crowd.holding() {
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
