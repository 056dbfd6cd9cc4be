// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"errors"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// SignalError is why a command ended that was told to.
type SignalError struct{ Signal unix.Signal }

func (*SignalError) Error() string        { return context.Canceled.Error() }
func (*SignalError) Is(target error) bool { return target == context.Canceled }

// Ended is how a command ends that ran until a signal: with its code, if there
// was one, and without a word about an error that has been told.
func Ended(ctx context.Context, err error) error {
	var ended *SignalError
	if !errors.As(context.Cause(ctx), &ended) {
		return err
	}
	var told *ExitError
	if errors.As(err, &told) && told.Err == nil {
		err = nil
	}
	return &ExitError{128 + int(ended.Signal), err}
}

// UntilSignal is ctx until this process is told to end; its cause says by what. A
// signal that the caller has this process ignore stays ignored: nohup(1) does that,
// and a shell with what a script has in its background.
func UntilSignal(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	signals := make(chan os.Signal, 1)
	for _, s := range []os.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP} {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	go func() {
		select {
		case s := <-signals:
			if s, ok := s.(unix.Signal); ok {
				cancel(&SignalError{s})
			}
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel(nil)
	}
}
