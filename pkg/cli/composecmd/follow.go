// SPDX-License-Identifier: Apache-2.0

package composecmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"coracle/pkg/compose"
	"coracle/pkg/container"
	"coracle/pkg/container/client"
	journal "coracle/pkg/events"
)

// crowd shows the output of a project's containers, of those that start later, too,
// until none is left.
type crowd struct {
	*session
	print    *printer
	project  string
	services []string // whose containers count
	shows    func(*container.Container) bool
	choice   logChoice // of what there is of a log when its container is followed first
	ended    func(context.Context, *container.Container)

	linger time.Duration // how long somebody may be missing who is being restarted

	mu      sync.Mutex
	in      map[string]bool // who is left, by ID, and whether it is followed
	held    int
	changed chan struct{} // closed, and made anew, when somebody comes or goes
}

// expect counts containers that are not followed yet.
func (w *crowd) expect(list []*container.Container) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.in, w.changed = map[string]bool{}, make(chan struct{})
	for _, c := range list {
		w.in[c.ID] = false
	}
}

// left is closed when nobody is left, or ctx has ended.
func (w *crowd) left(ctx context.Context) <-chan struct{} {
	empty := make(chan struct{})
	go func() {
		defer close(empty)
		for alone := false; ; {
			w.mu.Lock()
			n, changed := len(w.in)+w.held, w.changed
			w.mu.Unlock()
			var late <-chan time.Time
			switch {
			case n > 0:
				alone = false
			case alone || w.linger == 0:
				return
			default:
				late = time.After(w.linger)
			}
			select {
			case <-changed:
			case <-late:
				alone = true
			case <-ctx.Done():
				return
			}
		}
	}()
	return empty
}

// hold keeps the crowd together while containers are stopped to be started again.
func (w *crowd) hold() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held++
}

func (w *crowd) holding() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.held > 0
}

// release follows what has been started by now, and ends hold.
func (w *crowd) release(ctx context.Context) {
	if has, err := w.engine.Observe(w.project); err == nil {
		for _, c := range running(has.Containers(w.services...)) {
			w.follow(ctx, c)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held--
	w.news()
}

// news tells who waits that somebody has come or gone; w.mu is held.
func (w *crowd) news() {
	close(w.changed)
	w.changed = make(chan struct{})
}

// listen follows who starts, and forgets who is removed, until ctx ends. It returns
// once nothing is missed.
func (w *crowd) listen(ctx context.Context) {
	ready := make(chan struct{})
	var once sync.Once
	go func() {
		defer once.Do(func() { close(ready) })
		again := w.engine.NewWatch(ctx)
		o := journal.Options{Follow: true, Ready: func() { once.Do(func() { close(ready) }) }}
		_ = compose.Events(ctx, w.engine, w.project, w.services, o, func(h compose.Happened) error {
			switch h.Action {
			case "start":
				if c, err := container.NewStore(w.engine.Dirs).Load(h.ID); err == nil {
					w.follow(ctx, c)
				}
			case "die":
				go w.restarts(ctx, again, h)
			case "destroy":
				w.mu.Lock()
				if followed, ok := w.in[h.ID]; ok && !followed {
					delete(w.in, h.ID)
					w.news()
				}
				w.mu.Unlock()
			}
			return nil
		})
	}()
	<-ready
}

// restarts says of a container that has ended that it will go on.
func (w *crowd) restarts(ctx context.Context, again *compose.Watch, h compose.Happened) {
	_ = again.Await(ctx, h.ID, func(c *container.Container) (bool, error) {
		switch {
		case c.State.Status == container.Restarting, c.State.Status == container.Running && c.State.StartedAt.After(h.Time) && !w.holding() && c.State.Restarts > 0:
			if w.shows(c) {
				w.print.line(fmt.Sprintf("%s exited with code %s (restarting)", w.print.name(c), h.Attributes["exitCode"]))
			}
			return true, nil
		}
		return c.State.Status == container.Exited || c.State.StartedAt.After(h.Time), nil
	})
}

// follow shows the output of a container until it is down, unless that is done already.
func (w *crowd) follow(ctx context.Context, c *container.Container) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.in[c.ID] {
		return
	}
	w.in[c.ID] = true
	w.news()
	go w.stay(ctx, c.ID)
}

// stay follows a container until it is down for good.
func (w *crowd) stay(ctx context.Context, id string) {
	cs := container.NewStore(w.engine.Dirs)
	for {
		err := w.run(ctx, cs, id)
		w.mu.Lock()
		// Who starts it does so before this, or hears that it is followed no more.
		if now, lost := cs.Load(id); err == nil && lost == nil && now.State.IsRunning() && ctx.Err() == nil {
			w.mu.Unlock()
			continue
		}
		delete(w.in, id)
		w.news()
		w.mu.Unlock()
		return
	}
}

// run follows a container until it is down.
func (w *crowd) run(ctx context.Context, cs *container.Store, id string) error {
	now, err := cs.Load(id)
	if err != nil {
		return err
	}
	end := w.end(ctx, cs, now) // asked before, for who is removed at once leaves nothing to read
	if w.shows(now) {
		_ = w.print.follow(ctx, cs, now, w.print.since(id, w.choice))
	}
	code, err := end()
	if err != nil {
		return err
	}
	last, err := cs.Load(id)
	var gone *container.NotFoundError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &gone):
		last = now
		last.State.ExitCode = code
	case err != nil || last.State.IsRunning(): // it is started again already
		return err
	}
	if w.shows(last) {
		w.print.line(fmt.Sprintf("%s exited with code %d", w.print.name(last), last.State.ExitCode))
	}
	if w.ended != nil {
		w.ended(ctx, last)
	}
	return err
}

// end waits for the end of a container, from now on.
func (w *crowd) end(ctx context.Context, cs *container.Store, c *container.Container) (wait func() (code int, err error)) {
	done := make(chan struct{})
	var code int
	var err error
	go func() {
		defer close(done)
		code, err = client.WaitDown(ctx, cs, c)
	}()
	return func() (int, error) {
		<-done
		return code, err
	}
}

// since is the choice of what has not been printed of a container's log.
func (p *printer) since(id string, o logChoice) logChoice {
	p.mu.Lock()
	defer p.mu.Unlock()
	if last, err := time.Parse(time.RFC3339Nano, p.last[id]); err == nil {
		o.since, o.tail = last.Add(time.Nanosecond), -1
	}
	return o
}

// restarting is how long logs -f waits for a container that is stopped to be started
// again, when it was the last.
const restarting = time.Second

// followLogs is logs -f: of what is there, and of what starts later.
func (s *session) followLogs(ctx context.Context, project string, services []string, list []*container.Container, p *printer, o logChoice) error {
	number := s.c.Int("index")
	w := &crowd{
		session: s, print: p, project: project, services: services, choice: o, linger: restarting,
		shows: func(c *container.Container) bool { return number == 0 || number == compose.Number(c) },
	}
	w.expect(list)
	w.listen(ctx)
	cs := container.NewStore(s.engine.Dirs)
	for _, c := range list {
		if c.State.IsRunning() {
			w.follow(ctx, c)
			continue
		}
		past := o
		past.follow = false
		if err := p.follow(ctx, cs, c, past); err != nil {
			return err
		}
	}
	<-w.left(ctx)
	return ctx.Err()
}

func running(list []*container.Container) []*container.Container {
	return slices.DeleteFunc(slices.Clone(list), func(c *container.Container) bool { return !c.State.IsRunning() })
}
