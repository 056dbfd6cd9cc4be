// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"coracle/pkg/container"
	"coracle/pkg/ns"
)

// outlive waits for the process, starts it again as the policy says, and
// returns the exit code of the last one.
func (s *supervisor) outlive() int {
	pause := restartPauseMin
	for {
		began := time.Now()
		status, err := s.init.Wait()
		code := exitCode(status, err)
		s.endChecks()
		s.io.drain()
		s.event("die", map[string]string{"exitCode": strconv.Itoa(code), "execDuration": strconv.Itoa(int(time.Since(began).Seconds()))})
		if time.Since(began) >= restartReset {
			pause = restartPauseMin
		}
		if !s.restartWanted(code) {
			return code
		}
		if !s.pauseBeforeRestart(code, pause) {
			return code
		}
		pause = min(2*pause, restartPauseMax)
		if err := s.restart(); err != nil {
			fmt.Fprintln(os.Stderr, "supervise: restart:", err)
			return 125
		}
	}
}

// ending is the end of one process that another follows. The last one's is the
// supervisor's own.
type ending struct {
	over chan struct{} // closed when the process has ended
	code int           // then its exit code
}

func newEnding() *ending { return &ending{over: make(chan struct{})} }

// nextEnd waits for the end of the process that runs, or of the next one while
// none does, and returns its exit code.
func (s *supervisor) nextEnd() int {
	s.mu.Lock()
	next := s.next
	s.mu.Unlock()
	select {
	case <-next.over:
		return next.code
	case <-s.ended:
		return s.code
	}
}

// running returns the first process, and an error while there is none.
func (s *supervisor) running() (*ns.Init, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state.Status == container.Restarting:
		return nil, fmt.Errorf("Container %s is restarting, wait until the container is running", s.id)
	case s.init == nil:
		return nil, s.notRunning()
	}
	return s.init, nil
}

func (s *supervisor) notRunning() error {
	return container.NewStartError(1, fmt.Errorf("container %s is not running", s.id))
}

// unlessEnded is err, or that init is not there any more, which then is its cause.
func (s *supervisor) unlessEnded(init *ns.Init, err error) error {
	if err != nil && init != nil && errors.Is(init.Process.Signal(syscall.Signal(0)), os.ErrProcessDone) {
		return s.notRunning()
	}
	return err
}

func exitCode(ws syscall.WaitStatus, err error) int {
	switch {
	case err != nil:
		return 255
	case ws.Signaled():
		return 128 + int(ws.Signal())
	default:
		return ws.ExitStatus()
	}
}

// Docker's restart back-off.
const (
	restartPauseMin = 100 * time.Millisecond
	restartPauseMax = time.Minute
	restartReset    = 10 * time.Second
)

func (s *supervisor) restartWanted(code int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped || s.lastRun {
		return false
	}
	switch p := s.c.Life.Restart; p.Name {
	case "always", "unless-stopped":
		return true
	case "on-failure":
		return code != 0 && (p.Max == 0 || s.state.Restarts < p.Max)
	}
	return false
}

// pauseBeforeRestart reports whether nobody asked for the end meanwhile.
func (s *supervisor) pauseBeforeRestart(code int, pause time.Duration) bool {
	s.record(func(st *container.State) {
		st.Status, st.Pid, st.ExitCode, st.FinishedAt = container.Restarting, 0, code, time.Now().UTC()
		s.noteOOM(st)
		s.next.code = code
		close(s.next.over)
		s.next = newEnding()
	})
	select {
	case <-time.After(pause):
		return true
	case <-s.cancel:
		return false
	}
}

func (s *supervisor) restart() error {
	if err := s.start(); err != nil {
		return err
	}
	if err := s.release(); err != nil {
		return err
	}
	s.record(func(st *container.State) { st.Restarts++ })
	return nil
}
