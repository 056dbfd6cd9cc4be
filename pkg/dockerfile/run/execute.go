// SPDX-License-Identifier: Apache-2.0

package run

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"

	"coracle/pkg/box"
	"coracle/pkg/dockerfile/exec"
	"coracle/pkg/oci/spec"
)

// execute starts the command and waits for its end. When the context ends
// first, the command is killed.
func execute(ctx context.Context, b *box.Box, o spec.Options, s exec.Step) error {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer null.Close()
	var pumps sync.WaitGroup
	out, err := pump(&pumps, s.Stdout)
	if err != nil {
		return err
	}
	errOut, err := pump(&pumps, s.Stderr)
	if err != nil {
		out.Close()
		return err
	}
	init, _, err := b.Start(o, nil, box.Stdio{In: null, Out: out, Err: errOut})
	out.Close()
	errOut.Close()
	defer pumps.Wait()
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = init.Process.Kill() })
	defer stop()
	if err := init.Release(); err != nil {
		_ = init.Process.Kill()
		_, _ = init.Wait()
		return startFailure(err)
	}
	status, err := init.Wait()
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return exec.Ended(status)
}

// startFailure is a command that could not be run: the code a shell would give.
func startFailure(err error) error {
	if code := box.ExitCode(err); code != box.NotStarted {
		return fmt.Errorf("%w: %w", err, &exec.ExitError{Code: code})
	}
	return err
}

// pump copies what is written to the returned file to w.
func pump(wg *sync.WaitGroup, w io.Writer) (*os.File, error) {
	r, out, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	wg.Go(func() {
		defer r.Close()
		_, _ = io.Copy(w, r)
	})
	return out, nil
}
