// SPDX-License-Identifier: Apache-2.0

package cancel

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReadersRead(t *testing.T) {
	for name, with := range map[string]func(context.Context, io.Reader) io.Reader{"Reader": Reader, "WaitingReader": WaitingReader} {
		text := strings.Repeat("some text\n", 1000)
		if err := iotest.TestReader(with(t.Context(), strings.NewReader(text)), []byte(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		ctx, end := context.WithCancel(t.Context())
		r := with(ctx, strings.NewReader(text))
		if _, err := io.CopyN(io.Discard, r, 10); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		end()
		// Of the two that are ready a select takes either: it may read once more, and not for long.
		if _, err := io.Copy(io.Discard, iotest.OneByteReader(r)); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want the context's error", name, err)
		}
	}
}

// TestWaitingReaderWaits: what never comes does not keep the reader.
func TestWaitingReaderWaits(t *testing.T) {
	in, out := io.Pipe()
	defer out.Close()
	ctx, end := context.WithCancelCause(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, err := WaitingReader(ctx, in).Read(make([]byte, 1))
		failed <- err
	}()
	end(nil)
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want the context's error", err)
	}
}

func TestWriterWrites(t *testing.T) {
	ctx, end := context.WithCancel(t.Context())
	var b strings.Builder
	w := Writer(ctx, &b)
	if n, err := io.WriteString(w, "text"); n != 4 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	end()
	if n, err := io.WriteString(w, "more"); n != 0 || !errors.Is(err, context.Canceled) || b.String() != "text" {
		t.Errorf("after the end: %d, %v, %q", n, err, b.String())
	}
}
