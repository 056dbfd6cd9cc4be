// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"

	"coracle/pkg/container"
	"coracle/pkg/container/logfile"
)

// Logs calls each with the chosen entries of a container's log, see
// [logfile.Read]. With o.Follow it goes on until the container is down.
func Logs(ctx context.Context, s *container.Store, c *container.Container, o logfile.Options, each func(logfile.Entry) error) error {
	o.Follow = o.Follow && c.State.IsRunning()
	if o.Follow {
		waiting, stop := context.WithCancel(ctx)
		down := make(chan struct{})
		o.Done = down
		go func() {
			defer close(down)
			_, _ = WaitDown(waiting, s, c)
		}()
		defer func() {
			stop()
			<-down
		}()
	}
	err := logfile.Read(c.Dir().Log(), o, func(e logfile.Entry) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return each(e)
	})
	if err == nil && o.Follow {
		err = ctx.Err()
	}
	return err
}
