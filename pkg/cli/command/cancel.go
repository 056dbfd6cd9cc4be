// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"time"
)

// lastWords is how long a command that was told to end may take to tidy up.
const lastWords = 2 * time.Second

// within runs f, and gives it up some time after ctx has ended: a read from a
// pipe that says nothing, or a write into one that takes nothing, ends with the
// process and not before.
func within(ctx context.Context, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-done:
		return err
	case <-time.After(lastWords):
		return ctx.Err()
	}
}
