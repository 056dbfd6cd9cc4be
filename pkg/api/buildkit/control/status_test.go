// SPDX-License-Identifier: Apache-2.0

package control

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"coracle/pkg/api/buildkit/pb"
	"coracle/pkg/dockerfile"
)

// shown is what a client reads of one message: the fields that are texts and flags,
// and which times there are.
func shown(t *testing.T, list []func(*pb.Message)) (lines []string) {
	t.Helper()
	err := pb.Read(pb.Encode(func(m *pb.Message) {
		for _, f := range list {
			f(m)
		}
	}), func(f pb.Field) error {
		line := fmt.Sprint(f.Number)
		err := pb.Read(f.Data(), func(f pb.Field) error {
			switch {
			case len(f.Data()) > 60: // the digest
			case f.Number >= 5 && f.Number <= 8 && f.Text() != "" && f.Data()[0] == 8:
				line += fmt.Sprintf(" t%d", f.Number)
			default:
				line += fmt.Sprintf(" %d=%s%d", f.Number, f.Text(), f.Int())
			}
			return nil
		})
		lines = append(lines, line)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func TestTold(t *testing.T) {
	told := newTold("x")
	now := time.Unix(1000, 0)
	for _, e := range []dockerfile.Event{
		{Kind: dockerfile.Announced}, {Kind: dockerfile.Started}, {Kind: dockerfile.Status, Text: "transferring: 3B done"}, {Kind: dockerfile.Status, Text: "x"},
		{Kind: dockerfile.Failed, Text: "why"}, {Step: 2, Kind: dockerfile.Cached}, {Step: 3, Kind: dockerfile.Canceled},
	} {
		e.Step, e.Name, e.Time = max(e.Step, 1), "n", now
		told.event(e)
	}
	told.warn("beware")
	want := []string{
		"1 3=n0", "1 3=n0 t5", "2 1=transferring: 3B0 t6 t7 t8", "2 1=x0 t6 t7", "1 3=n0 t5 t6 7=why0", "1 3=n0 4=1 t5 t6", "1 3=n0 t5 t6 7=context canceled0", "4 2=1 3=beware0",
	}
	if got := shown(t, told.next()); !slices.Equal(got, want) {
		t.Errorf("told is\n%q, not\n%q", got, want)
	}
	told.close()
	if told.next() != nil {
		t.Error("something comes after the end")
	}
}

// TestOutputOfNobody: what nobody reads is bounded, and does not wait.
func TestOutputOfNobody(t *testing.T) {
	told := newTold("")
	for range 100 {
		told.event(dockerfile.Event{Kind: dockerfile.Output, Data: make([]byte, 1<<20)})
	}
	if n := len(told.next()); n > maxLogs>>20+1 {
		t.Errorf("%d MiB are kept", n)
	}
}

// TestOutputWaits for who reads it.
func TestOutputWaits(t *testing.T) {
	told := newTold("")
	told.read(1)
	go func() {
		defer told.close()
		for range 50 {
			told.event(dockerfile.Event{Kind: dockerfile.Output, Data: make([]byte, 1<<20)})
		}
	}()
	n := 0
	for list := told.next(); list != nil; list = told.next() {
		n += len(list)
	}
	if n != 50 {
		t.Errorf("%d of 50 came", n)
	}
}
