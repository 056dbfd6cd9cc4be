// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"coracle/pkg/box"
	"coracle/pkg/container"
	"coracle/pkg/ns"
)

// checkHealth runs the container's health checks until the process that began
// with ctx has ended.
func (s *supervisor) checkHealth(ctx context.Context) {
	h := s.c.Health.WithDefaults()
	began := time.Now()
	for {
		inStart := time.Since(began) < h.StartPeriod
		wait := h.Interval
		if inStart && s.health().Status == container.HealthStarting {
			wait = h.StartInterval
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		if s.isPaused() {
			continue
		}
		p := s.probe(ctx, h)
		if ctx.Err() != nil {
			return // what was killed with the container says nothing about its health
		}
		before := s.health()
		after := before.After(p, h.Retries, time.Since(began) < h.StartPeriod)
		s.record(func(st *container.State) { st.Health = &after })
		if after.Status != before.Status {
			s.event("health_status: "+after.Status, nil)
		}
	}
}

func (s *supervisor) health() container.Health {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.Health == nil {
		return container.Health{Status: container.HealthStarting}
	}
	return *s.state.Health
}

// probe runs one check.
func (s *supervisor) probe(ctx context.Context, h container.HealthCheck) container.Probe {
	p := container.Probe{Start: time.Now().UTC(), ExitCode: -1}
	ctx, cancel := context.WithTimeout(ctx, h.Timeout)
	defer cancel()
	code, output, err := s.runProbe(ctx, h.Command())
	p.End, p.Output = time.Now().UTC(), output
	switch {
	case ctx.Err() != nil:
		p.Output = fmt.Sprintf("Health check exceeded timeout (%v)", h.Timeout)
		if output != "" {
			p.Output += ": " + output
		}
	case err != nil:
		p.Output = err.Error()
	default:
		p.ExitCode = code
	}
	return p
}

// runProbe executes a command in the container, without new privileges, and
// returns its exit code and the beginning of its output. It is killed when ctx
// ends.
func (s *supervisor) runProbe(ctx context.Context, args []string) (int, string, error) {
	init, err := s.running()
	if err != nil {
		return 0, "", err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return 0, "", err
	}
	defer r.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDONLY, 0)
	if err != nil {
		w.Close()
		return 0, "", err
	}
	proc, err := s.join(init, &container.ExecOptions{Args: args, NoNewPrivs: true}, box.Stdio{In: null, Out: w, Err: w})
	w.Close()
	null.Close()
	if err != nil {
		return 0, "", err
	}
	if err := proc.Exec(); err != nil {
		_ = proc.Process.Kill()
		_, _ = proc.Wait()
		return 0, "", err
	}
	stop := context.AfterFunc(ctx, func() {
		killSession(proc)
		// What the check has started may hold its output open.
		_ = r.SetReadDeadline(time.Now())
	})
	defer stop()
	output := readBeginning(r)
	status, err := proc.Wait()
	return exitCode(status, err), output, nil
}

// killSession kills a process and what is in its process group.
func killSession(p *ns.Init) {
	_ = unix.Kill(-p.Process.Pid, unix.SIGKILL)
	_ = p.Process.Kill()
}

// readBeginning reads to the end, and keeps the beginning.
func readBeginning(r io.Reader) string {
	kept, _ := io.ReadAll(io.LimitReader(r, container.ProbeOutputKept))
	_, _ = io.Copy(io.Discard, r)
	return string(kept)
}
