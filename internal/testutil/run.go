// SPDX-License-Identifier: Apache-2.0

package testutil

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Longest is how long any one command may take before it counts as hung.
const Longest = 90 * time.Second

// Result is what a command gave. Code is -1 where it did not start, hung or was
// killed by a signal; Err says which.
type Result struct {
	Out, Err string
	Code     int
}

// Text is the output without the space around it.
func (r Result) Text() string { return strings.TrimSpace(r.Out) }

// All is both outputs, for messages.
func (r Result) All() string { return r.Out + r.Err }

// Finish runs a command to its end, and kills one that hangs. Output goes to the
// result where the command has no place for it. Pipes that children of the command hold are
// not waited for longer than the command's WaitDelay.
func Finish(cmd *exec.Cmd) Result {
	var out, errOut bytes.Buffer
	if cmd.Stdout == nil {
		cmd.Stdout = &out
	}
	if cmd.Stderr == nil {
		cmd.Stderr = &errOut
	}
	if err := cmd.Start(); err != nil {
		return Result{Err: err.Error(), Code: -1}
	}
	timer := time.AfterFunc(Longest, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	r := Result{Out: out.String(), Err: errOut.String(), Code: cmd.ProcessState.ExitCode()}
	var exit *exec.ExitError
	switch {
	case !timer.Stop():
		r.Err, r.Code = r.Err+"\nit hangs", -1
	case err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay):
		r.Err, r.Code = fmt.Sprintf("%s\n%v", r.Err, err), -1
	case r.Code == -1:
		r.Err = fmt.Sprintf("%s\n%v", r.Err, err) // the signal
	}
	return r
}

// Panicked reports whether a Go program's error output is that of a panic or of
// an abort by its runtime.
func (r Result) Panicked() bool {
	return strings.Contains(r.Err, "panic:") || strings.Contains(r.Err, "goroutine ")
}

// Eventually asks until f says yes, 20 seconds at most.
func Eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	if !within(20*time.Second, 10*time.Millisecond, f) {
		t.Fatalf("never: %s", what)
	}
}

// Contains checks that a text has each of the words.
func Contains(t testing.TB, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("does not contain %q:\n%s", w, text)
		}
	}
}

// within asks f every so often until it says yes or the time is over. What
// comes true while the last answer is on its way counts.
func within(limit, every time.Duration, f func() bool) bool {
	for end := time.Now().Add(limit); ; time.Sleep(every) {
		last := time.Now().After(end)
		if f() {
			return true
		}
		if last {
			return false
		}
	}
}

// Rounds counts how often an attack had its chance, so that a test whose attack never
// ran is not taken for one that it was held off.
type Rounds struct {
	t    testing.TB
	what string
	n    atomic.Int64
}

// NewRounds begins to count; when the test ends with none it fails.
func NewRounds(t testing.TB, what string) *Rounds {
	r := &Rounds{t: t, what: what}
	t.Cleanup(func() {
		if r.n.Load() == 0 && !t.Failed() && !t.Skipped() {
			t.Errorf("not once %s: nothing was tested", what)
		}
	})
	return r
}

// Ran counts a round in which yes holds, and returns it. It is safe for concurrent
// use.
func (r *Rounds) Ran(yes bool) bool {
	if yes {
		r.n.Add(1)
	}
	return yes
}
