// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"testing"

	"golang.org/x/sys/unix"
)

// heed has a signal ignored no more, whether a test or nohup(1) had it so.
func heed(sig ...os.Signal) {
	heard := make(chan os.Signal, len(sig))
	signal.Notify(heard, sig...)
	signal.Stop(heard)
}

func TestEndBySignalKnowsWhich(t *testing.T) {
	heed(unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	for _, sig := range []unix.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP} {
		ctx, stop := UntilSignal(t.Context())
		if err := unix.Kill(unix.Getpid(), sig); err != nil {
			t.Fatal(err)
		}
		<-ctx.Done()
		stop()
		var ended *SignalError
		if cause := context.Cause(ctx); !errors.As(cause, &ended) || ended.Signal != sig || !errors.Is(cause, context.Canceled) {
			t.Errorf("%v: %v", sig, cause)
		}
	}
	ctx, stop := UntilSignal(t.Context())
	stop()
	var ended *SignalError
	if errors.As(context.Cause(ctx), &ended) {
		t.Error("no signal came")
	}
}

func TestIgnoredSignalEndsNothing(t *testing.T) {
	heed(unix.SIGTERM)
	signal.Ignore(unix.SIGHUP)
	defer heed(unix.SIGHUP)
	ctx, stop := UntilSignal(t.Context())
	defer stop()
	for _, sig := range []unix.Signal{unix.SIGHUP, unix.SIGTERM} { // the second is heard after the first
		if err := unix.Kill(unix.Getpid(), sig); err != nil {
			t.Fatal(err)
		}
	}
	<-ctx.Done()
	var ended *SignalError
	if cause := context.Cause(ctx); !errors.As(cause, &ended) || ended.Signal != unix.SIGTERM {
		t.Errorf("ended by %v", cause)
	}
}
