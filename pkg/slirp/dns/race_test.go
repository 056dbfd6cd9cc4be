// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// scripted are servers that answer after a time, by name; who is not among them is
// silent until the asker gives up.
type scripted struct {
	mu    sync.Mutex
	after map[string]time.Duration
	fails map[string]error
	asked []string // with the time since the beginning
	began time.Time
}

func (s *scripted) ask(ctx context.Context, server string) (string, error) {
	s.mu.Lock()
	s.asked = append(s.asked, fmt.Sprint(server, "@", time.Since(s.began).Round(time.Millisecond)))
	d, answers := s.after[server]
	s.mu.Unlock()
	if !answers {
		<-ctx.Done()
		return "", ctx.Err()
	}
	select {
	case <-time.After(d):
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if err := s.fails[server]; err != nil {
		return "", err
	}
	return "of " + server, nil
}

// TestRace looks who is asked when, and whose answer it is.
func TestRace(t *testing.T) {
	down := errors.New("down")
	const ms = time.Millisecond
	for _, c := range []struct {
		name  string
		after map[string]time.Duration
		fails map[string]error
		asked string
		from  string // "" is an error
		took  time.Duration
	}{
		{"the first answers", map[string]time.Duration{"a": 10 * ms}, nil, "a@0s", "a", 10 * ms},
		{"the first is silent", map[string]time.Duration{"b": 10 * ms}, nil, "a@0s b@300ms", "b", 310 * ms},
		{"two are silent", map[string]time.Duration{"c": 10 * ms}, nil, "a@0s b@300ms c@600ms", "c", 610 * ms},
		{"the first is slow", map[string]time.Duration{"a": 400 * ms, "b": 900 * ms}, nil, "a@0s b@300ms", "a", 400 * ms},
		{
			"the first fails: nobody waits for the next",
			map[string]time.Duration{"a": 10 * ms, "b": 10 * ms},
			map[string]error{"a": down}, "a@0s b@10ms", "b", 20 * ms,
		},
		{"all fail", map[string]time.Duration{"a": ms, "b": ms, "c": ms}, map[string]error{"a": down, "b": down, "c": down}, "a@0s b@1ms c@2ms", "", 3 * ms},
		{"all are silent", nil, nil, "a@0s b@300ms c@600ms", "", tries},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &scripted{after: c.after, fails: c.fails, began: time.Now()}
				answer, from, err := race(t.Context(), []string{"a", "b", "c"}, s.ask)
				if took := time.Since(s.began); took != c.took {
					t.Errorf("took %v, want %v", took, c.took)
				}
				s.mu.Lock()
				defer s.mu.Unlock()
				if got := strings.Join(s.asked, " "); got != c.asked {
					t.Errorf("asked %s, want %s", got, c.asked)
				}
				switch {
				case c.from == "":
					if err == nil {
						t.Errorf("%q, and should be an error", answer)
					} else if len(c.fails) > 0 && !errors.Is(err, down) {
						t.Errorf("%v does not say why", err)
					}
				case err != nil || from != c.from || answer != "of "+c.from:
					t.Errorf("%q from %q, %v", answer, from, err)
				}
			})
		})
	}
}

// closing is an answer that is to be closed by who does not want it.
type closing struct{ closed *atomic.Int32 }

func (c closing) Close() error { c.closed.Add(1); return nil }

// TestRaceClosesTheLate: who answers after another one is closed, as a connection
// that nobody uses.
func TestRaceClosesTheLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var closed atomic.Int32
		_, from, err := race(t.Context(), []string{"slow", "fast"}, func(_ context.Context, server string) (closing, error) {
			if server == "slow" {
				time.Sleep(time.Second) // whatever the context says
			}
			return closing{&closed}, nil
		})
		if err != nil || from != "fast" {
			t.Fatalf("from %q, %v", from, err)
		}
		if closed.Load() != 0 {
			t.Error("the winner was closed")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n := closed.Load(); n != 1 {
			t.Errorf("%d were closed", n)
		}
	})
}

// TestRaceEnds: with the container's end nobody waits for a server.
func TestRaceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(70*time.Millisecond, cancel)
		began := time.Now()
		_, _, err := race(ctx, []string{"a", "b"}, (&scripted{began: began}).ask)
		if !errors.Is(err, context.Canceled) || time.Since(began) != 70*time.Millisecond {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

// TestPreferred: who answered last is asked first, for half a minute, if it is still
// among the servers.
func TestPreferred(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewResolver(t.Context(), conf(t, "nameserver 1.1.1.1\nnameserver 2.2.2.2\nnameserver 3.3.3.3\n"), nil, false)
		check := func(when string, want ...string) {
			t.Helper()
			var got []string
			for _, s := range r.preferred() {
				host, _, _ := net.SplitHostPort(s)
				got = append(got, host)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s: %v, want %v", when, got, want)
			}
		}
		check("at first", "1.1.1.1", "2.2.2.2", "3.3.3.3")
		r.last.remember("3.3.3.3:53")
		check("after an answer of the third", "3.3.3.3", "1.1.1.1", "2.2.2.2")
		time.Sleep(trust - time.Second)
		r.last.remember("3.3.3.3:53") // does not prolong: the first may be well again
		check("shortly before the end", "3.3.3.3", "1.1.1.1", "2.2.2.2")
		time.Sleep(2 * time.Second)
		check("after it", "1.1.1.1", "2.2.2.2", "3.3.3.3")
		r.last.remember("3.3.3.3:53")
		check("and again", "3.3.3.3", "1.1.1.1", "2.2.2.2")
		r.last.remember("9.9.9.9:53") // is not in the file any more
		check("after one that is gone", "1.1.1.1", "2.2.2.2", "3.3.3.3")
	})
}
