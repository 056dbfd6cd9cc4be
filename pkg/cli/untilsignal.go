// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// signalError is why a command ended that was told to.
type signalError struct{ signal unix.Signal }

func (*signalError) Error() string        { return context.Canceled.Error() }
func (*signalError) Is(target error) bool { return target == context.Canceled }

// untilSignal is ctx until this process is told to end; its cause says by what.
func untilSignal(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	go func() {
		select {
		case s := <-signals:
			if s, ok := s.(unix.Signal); ok {
				cancel(&signalError{s})
			}
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel(nil)
	}
}
