// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

func TestFraming(t *testing.T) {
	for _, size := range []int{0, 1, 255, 256, 1<<16 - 1} {
		message := bytes.Repeat([]byte{'m'}, size)
		var b bytes.Buffer
		if err := writeFramed(&b, message); err != nil {
			t.Fatal(err)
		}
		if b.Len() != size+2 || int(b.Bytes()[0])<<8|int(b.Bytes()[1]) != size {
			t.Errorf("%d bytes become %d that begin with %x", size, b.Len(), b.Bytes()[:2])
		}
		got, err := readFramed(iotest.OneByteReader(&b)) // however the pieces come
		if err != nil || !bytes.Equal(got, message) {
			t.Errorf("%d bytes come as %d, %v", size, len(got), err)
		}
	}
	var b bytes.Buffer
	if err := writeFramed(&b, make([]byte, 1<<16)); err == nil || b.Len() > 0 {
		t.Errorf("64 KiB: %v, %d bytes were written", err, b.Len())
	}
	for _, cut := range []string{"\x00", "\x00\x03", "\x00\x03ab"} {
		if _, err := readFramed(bytes.NewBufferString(cut)); !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
			t.Errorf("%q: %v", cut, err)
		}
	}
	if _, err := readFramed(bytes.NewBufferString("")); err != io.EOF {
		t.Errorf("the end between two messages: %v", err)
	}
}

// TestServeSilence: a guest that says nothing for half a minute is left.
func TestServeSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		guest, server := net.Pipe()
		defer guest.Close()
		r := NewResolver(t.Context(), "", &book{name: "db"}, true)
		began := time.Now()
		ended := make(chan time.Duration, 1)
		go func() { r.Serve(server); ended <- time.Since(began) }()
		time.Sleep(silence - time.Second)
		q := question(1, "db", 1)
		if err := writeFramed(guest, q); err != nil {
			t.Fatal(err)
		}
		if a, err := readFramed(guest); err != nil || !answers(a, q) {
			t.Fatalf("%q, %v", a, err)
		}
		if d := <-ended; d != silence-time.Second+silence {
			t.Errorf("served for %v", d)
		}
	})
}
