// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"context"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"coracle/pkg/box"
	"coracle/pkg/container"
	"coracle/pkg/container/control"
	"coracle/pkg/ns"
)

// probe executes a command in the container, without new privileges, and returns
// its exit code and the beginning of its output. It is killed when ctx ends.
func (s *sessions) probe(ctx context.Context, args []string) (int, string, error) {
	init, err := s.first.running()
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
	proc, err := s.join(init, &control.ExecOptions{Args: args, NoNewPrivs: true}, box.Stdio{In: null, Out: w, Err: w})
	w.Close()
	null.Close()
	if err != nil {
		return 0, "", err
	}
	if err := proc.Release(); err != nil {
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
func killSession(p *ns.Process) {
	_ = unix.Kill(-p.Process.Pid, unix.SIGKILL)
	_ = p.Process.Kill()
}

// readBeginning reads to the end, and keeps the beginning.
func readBeginning(r io.Reader) string {
	kept, _ := io.ReadAll(io.LimitReader(r, container.ProbeOutputKept))
	_, _ = io.Copy(io.Discard, r)
	return string(kept)
}
