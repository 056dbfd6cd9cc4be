// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"coracle/pkg/box"
	"coracle/pkg/container"
)

// outlive waits for the process, starts it again as the policy says, and
// returns the exit code of the last one.
func (s *supervisor) outlive() int {
	for {
		began := time.Now()
		init, _ := s.first.process()
		code := exitCode(init.Wait())
		s.endChecks()
		if s.lodgers != nil {
			s.lodgers.end()
		}
		s.first.drain()
		s.over()
		ran := time.Since(began)
		// Who hears of it looks at the state: that is recorded before.
		died := func() {
			s.book.event("die", map[string]string{"exitCode": strconv.Itoa(code), "execDuration": strconv.Itoa(int(ran.Seconds()))})
		}
		if !s.restarts.wanted(code, s.book.now().Restarts) {
			s.down.died = died
			if s.lodgers != nil { // those in other mount namespaces, too
				s.bounds.kill()
			}
			return code
		}
		s.between(code)
		died()
		if !s.restarts.wait(ran) {
			return code
		}
		err := s.restart()
		for errors.Is(err, errRestarting) { // and so is this one, until the other has come
			if !s.restarts.rest(restartPauseMin) {
				return code
			}
			err = s.restart()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "supervise: restart:", err)
			s.book.prepare(func(st *container.State) { st.Error = err.Error() })
			return s.book.now().NotStarted(box.ExitCode(err), "").ExitCode
		}
	}
}

// between records that the process has ended with code and that another follows.
func (s *supervisor) between(code int) {
	oom := s.bounds.oomKilled()
	s.book.record(func(st *container.State) {
		st.Status, st.Pid, st.ExitCode, st.FinishedAt = container.Restarting, 0, code, time.Now().UTC()
		st.OOMKilled, st.Health = st.OOMKilled || oom, nil // what was found of one process says nothing of the next
	})
	s.first.succeeded(code)
}

func (s *supervisor) restart() error {
	if err := s.start(); err != nil {
		return err
	}
	if err := s.release(); err != nil {
		return err
	}
	s.book.record(func(st *container.State) { st.Restarts++ })
	return nil
}
