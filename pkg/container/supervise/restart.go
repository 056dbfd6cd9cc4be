// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"coracle/pkg/container"
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
		s.io.finish(code)
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
