// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"coracle/internal/testutil"
	"coracle/pkg/container"
	"coracle/pkg/container/control"
)

// patient is a container whose checks find what a list says, one after the other,
// and then that all is well.
type patient struct {
	t      *testing.T
	book   *ledger
	checks *checks
	finds  []probed
	at     []time.Duration // when it was looked at
	began  time.Time
}

type probed struct {
	code  int
	text  string
	err   error
	takes time.Duration
}

func newPatient(t *testing.T, book *ledger, how container.HealthCheck, finds ...probed) *patient {
	book.prepare(func(st *container.State) { st.Health = &container.Health{Status: container.HealthStarting} })
	p := &patient{t: t, book: book, finds: finds, began: time.Now()}
	how.Test = []string{"CMD", "look"}
	p.checks = &checks{book: book, how: how.WithDefaults(), probe: p.probe}
	return p
}

func (p *patient) probe(ctx context.Context, args []string) (int, string, error) {
	if !slices.Equal(args, []string{"look"}) {
		p.t.Errorf("the check runs %q", args)
	}
	p.at = append(p.at, time.Since(p.began))
	if len(p.finds) == 0 {
		return 0, "", nil
	}
	found := p.finds[0]
	p.finds = p.finds[1:]
	select {
	case <-time.After(found.takes):
		return found.code, found.text, found.err
	case <-ctx.Done():
		return 137, found.text, nil
	}
}

// watch runs the checks for so long, and returns the health then.
func (p *patient) watch(d time.Duration) container.Health {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	p.checks.run(ctx)
	return p.checks.health()
}

func TestHealth(t *testing.T) {
	const s = time.Second
	bad, good := probed{code: 1, text: "no"}, probed{text: "yes"}
	every := container.HealthCheck{Interval: 10 * s, Retries: 2}
	for _, c := range []struct {
		name   string
		how    container.HealthCheck
		finds  []probed
		run    time.Duration
		want   string
		streak int
		at     []time.Duration
		events []string
	}{
		{"not looked at yet", every, nil, 9 * s, "starting", 0, nil, nil},
		{"well", every, nil, 25 * s, "healthy", 0, []time.Duration{10 * s, 20 * s}, []string{"healthy"}},
		{"one failure", every, []probed{bad}, 15 * s, "starting", 1, []time.Duration{10 * s}, nil},
		{"two failures", every, []probed{bad, bad}, 25 * s, "unhealthy", 2, []time.Duration{10 * s, 20 * s}, []string{"unhealthy"}},
		{"not in a row", every, []probed{bad, good, bad}, 35 * s, "healthy", 1, []time.Duration{10 * s, 20 * s, 30 * s}, []string{"healthy"}},
		{"ill and well again", every, []probed{bad, bad, good}, 35 * s, "healthy", 0, nil, []string{"unhealthy", "healthy"}},
		{"failures of the start do not count", container.HealthCheck{Interval: 10 * s, Retries: 1, StartPeriod: 25 * s, StartInterval: 10 * s},
			[]probed{bad, bad, bad, bad}, 25 * s, "starting", 0, []time.Duration{10 * s, 20 * s}, nil},
		{"after the start they do", container.HealthCheck{Interval: 10 * s, Retries: 1, StartPeriod: 25 * s, StartInterval: 10 * s},
			[]probed{bad, bad, bad}, 35 * s, "unhealthy", 1, nil, []string{"unhealthy"}},
		{"often until the first success", container.HealthCheck{Interval: 10 * s, StartPeriod: 60 * s, StartInterval: 1 * s},
			[]probed{bad, good}, 25 * s, "healthy", 0, []time.Duration{1 * s, 2 * s, 12 * s, 22 * s}, []string{"healthy"}},
		{"often only in the start", container.HealthCheck{Interval: 10 * s, StartPeriod: 3 * s, StartInterval: 2 * s},
			[]probed{bad, bad, bad}, 23 * s, "starting", 2, []time.Duration{2 * s, 4 * s, 14 * s}, nil},
		{"Docker's intervals", container.HealthCheck{}, nil, 65 * s, "healthy", 0, []time.Duration{30 * s, 60 * s}, nil},
	} {
		book := newLedger(t, container.Record{})
		synctest.Test(t, func(t *testing.T) {
			p := newPatient(t, book, c.how, c.finds...)
			h := p.watch(c.run)
			if h.Status != c.want || h.FailingStreak != c.streak {
				t.Errorf("%s: %s with %d failures", c.name, h.Status, h.FailingStreak)
			}
			if c.at != nil && !slices.Equal(p.at, c.at) {
				t.Errorf("%s: looked at %v", c.name, p.at)
			}
			if len(p.at) > 0 && written(t, book).Health.Status != c.want {
				t.Errorf("%s: others read %+v", c.name, written(t, book).Health)
			}
		})
		var said []string
		for _, a := range actions(t, book) {
			if s, ok := strings.CutPrefix(a, "health_status: "); ok {
				said = append(said, s)
			}
		}
		if c.events != nil && !slices.Equal(said, c.events) {
			t.Errorf("%s: events %q", c.name, said)
		}
	}
}

func TestProbesThatFail(t *testing.T) {
	for _, c := range []struct {
		name string
		find probed
		code int
		text string
	}{
		{"exit code", probed{code: 3, text: "three"}, 3, "three"},
		{"cannot run", probed{err: errors.New("no such file")}, -1, "no such file"},
		{"too slow", probed{takes: time.Hour}, -1, "Health check exceeded timeout (5s)"},
		{"slow with a word", probed{takes: time.Hour, text: "half"}, -1, "Health check exceeded timeout (5s): half"},
	} {
		book := newLedger(t, container.Record{})
		synctest.Test(t, func(t *testing.T) {
			h := newPatient(t, book, container.HealthCheck{Timeout: 5 * time.Second}, c.find).watch(40 * time.Second)
			if len(h.Log) != 1 || h.Log[0].ExitCode != c.code || h.Log[0].Output != c.text {
				t.Errorf("%s: %+v", c.name, h.Log)
			}
			if took := h.Log[0].End.Sub(h.Log[0].Start); took > 5*time.Second {
				t.Errorf("%s: took %v", c.name, took)
			}
		})
	}
}

// TestNoHealthOfThePausedAndTheEnded looks at a container that is frozen, and at
// one that ends while the check runs.
func TestNoHealthOfThePausedAndTheEnded(t *testing.T) {
	book := newLedger(t, container.Record{})
	synctest.Test(t, func(t *testing.T) {
		p := newPatient(t, book, container.HealthCheck{Interval: time.Second})
		book.prepare(func(st *container.State) { st.Status = container.Paused })
		if h := p.watch(time.Minute); len(p.at) > 0 || h.Status != container.HealthStarting {
			t.Errorf("paused: %+v after %d looks", h, len(p.at))
		}
		book.prepare(func(st *container.State) { st.Status = container.Running })
		p.finds = []probed{{code: 137, takes: 30 * time.Second}}
		if h := p.watch(5 * time.Second); len(p.at) != 1 || len(h.Log) > 0 {
			t.Errorf("ended meanwhile: %+v after %d looks", h, len(p.at))
		}
	})
	ctx, cancel := context.WithCancel(context.Background())
	book.record(func(st *container.State) { st.Status, st.Health = container.Exited, nil; cancel() })
	if (&checks{book: book}).found(ctx, container.Health{Status: container.Healthy}) || written(t, book).Health != nil {
		t.Error("a container that has ended is healthy")
	}
}

// TestHealthBetweenStarts: a container whose process has ended is not healthy until the
// next one has been looked at.
func TestHealthBetweenStarts(t *testing.T) {
	s := alone(t, container.Record{Life: container.Life{Restart: container.Restart{Name: "always"}}})
	s.begin(t, "exit 3")
	s.book.record(func(st *container.State) { st.Health = &container.Health{Status: container.Healthy} })
	over := s.lives(t)
	testutil.Eventually(t, "another is to follow", s.book.isRestarting)
	if h := written(t, s.book).Health; h != nil {
		t.Errorf("between two starts its health is %+v", h)
	}
	if r := s.ask(t, control.Request{Op: control.OpStop}); r.Event != control.EventDone {
		t.Error(r)
	}
	within(t, "the end", over)
}
