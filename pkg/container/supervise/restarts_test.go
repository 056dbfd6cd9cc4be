// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"testing"
	"testing/synctest"
	"time"

	"coracle/pkg/container"
)

func TestRestartPolicy(t *testing.T) {
	for _, c := range []struct {
		policy       container.Restart
		code, before int
		want         bool
	}{
		{container.Restart{}, 1, 0, false},
		{container.Restart{Name: "no"}, 1, 0, false},
		{container.Restart{Name: "no"}, 0, 0, false},
		{container.Restart{Name: "always"}, 0, 1000, true},
		{container.Restart{Name: "unless-stopped"}, 0, 0, true},
		{container.Restart{Name: "unless-stopped"}, 137, 3, true},
		{container.Restart{Name: "on-failure"}, 0, 0, false},
		{container.Restart{Name: "on-failure"}, 1, 1000, true},
		{container.Restart{Name: "on-failure", Max: 3}, 1, 2, true},
		{container.Restart{Name: "on-failure", Max: 3}, 1, 3, false},
		{container.Restart{Name: "on-failure", Max: 3}, 0, 0, false},
		{container.Restart{Name: "whatever"}, 1, 0, false},
	} {
		r := newRestarts(c.policy)
		if got := r.wanted(c.code, c.before); got != c.want {
			t.Errorf("%+v after code %d and %d restarts: %t", c.policy, c.code, c.before, got)
		}
		r.stop()
		if r.wanted(c.code, c.before) {
			t.Errorf("%+v: another start though somebody has stopped it", c.policy)
		}
		r = newRestarts(c.policy)
		r.end()
		if r.wanted(c.code, c.before) || r.isStopped() {
			t.Errorf("%+v: another start after a signal to end", c.policy)
		}
	}
}

func TestAnotherRestartPolicy(t *testing.T) {
	r := newRestarts(container.Restart{Name: "no"})
	r.change(container.Restart{Name: "on-failure", Max: 1})
	if !r.wanted(1, 0) || r.wanted(1, 1) {
		t.Error("the policy of an update is not in force")
	}
}

// TestRestartPauses has processes that end at once, and one that runs for long.
func TestRestartPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRestarts(container.Restart{Name: "always"})
		paused := func(ran time.Duration) time.Duration {
			began := time.Now()
			if !r.wait(ran) {
				t.Fatal("the end was asked for")
			}
			return time.Since(began)
		}
		for n, want := range []time.Duration{
			100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond, 1600 * time.Millisecond,
			3200 * time.Millisecond, 6400 * time.Millisecond, 12800 * time.Millisecond, 25600 * time.Millisecond,
			51200 * time.Millisecond, time.Minute, time.Minute,
		} {
			if got := paused(time.Second); got != want {
				t.Errorf("pause %d: %v, want %v", n, got, want)
			}
		}
		if got := paused(restartReset); got != restartPauseMin {
			t.Errorf("after a long run: %v", got)
		}
		if got := paused(restartReset - 1); got != 2*restartPauseMin {
			t.Errorf("after a short run again: %v", got)
		}
	})
}

func TestAPauseEndsWithTheWishForTheEnd(t *testing.T) {
	for name, ask := range map[string]func(*restarts){"stop": (*restarts).stop, "signal": (*restarts).end} {
		synctest.Test(t, func(t *testing.T) {
			r := newRestarts(container.Restart{Name: "always"})
			began := time.Now()
			time.AfterFunc(50*time.Millisecond, func() { ask(r) })
			if r.wait(0) || time.Since(began) != 50*time.Millisecond {
				t.Errorf("%s: waited %v for another start", name, time.Since(began))
			}
			ask(r) // again
		})
	}
}
