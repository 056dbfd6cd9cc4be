// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"coracle/pkg/container"
	"coracle/pkg/container/client"
	"coracle/pkg/docker"
)

// maxHookOutput is how much of a hook's output is kept for its error, in bytes.
const maxHookOutput = 4 << 10

// lastOutput is how long the end of a hook's output is waited for.
const lastOutput = time.Second

// hook runs a command in a container that runs: post_start, pre_stop.
func (e *Engine) hook(ctx context.Context, c *container.Container, h types.ServiceHook) error {
	var said tail
	code, err := runHook(ctx, e, c, h, &said)
	if err != nil {
		return fmt.Errorf("%s hook: %w", c.Name, err)
	}
	if code != 0 {
		err = fmt.Errorf("%s hook exited with status %d", c.Name, code)
		if text := strings.TrimSpace(said.b.String()); text != "" {
			err = fmt.Errorf("%w: %s", err, text)
		}
	}
	return err
}

// runHook runs a command in a container that runs, and keeps what it says.
func runHook(ctx context.Context, e *Engine, c *container.Container, h types.ServiceHook, said *tail) (code int, err error) {
	if c, err = e.containers().Load(c.ID); err != nil {
		return 0, err
	}
	q := docker.ExecRequest{
		Cmd: h.Command, User: h.User, Privileged: h.Privileged, WorkingDir: h.WorkingDir, AttachStdout: true, AttachStderr: true,
	}
	for _, k := range slices.Sorted(maps.Keys(h.Environment)) {
		if v := h.Environment[k]; v != nil {
			q.Env = append(q.Env, k+"="+*v)
		}
	}
	es, err := client.Exec(ctx, c, docker.ExecOptions(q))
	if err != nil {
		return 0, err
	}
	defer es.Close()
	var reading sync.WaitGroup
	for _, f := range []*os.File{es.Stdout, es.Stderr} {
		reading.Go(func() { _, _ = io.Copy(said, f) })
	}
	code, err = es.Exit()
	read := make(chan struct{})
	go func() {
		reading.Wait()
		close(read)
	}()
	select { // what it wrote is in the pipes, which something it left behind may hold open
	case <-read:
	case <-time.After(lastOutput):
	}
	es.Stdout.Close()
	es.Stderr.Close()
	reading.Wait()
	return code, err
}

// tail keeps the beginning of what is written to it, from several goroutines.
type tail struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b.Write(p[:min(len(p), maxHookOutput-t.b.Len())])
	return len(p), nil
}
