// SPDX-License-Identifier: Apache-2.0

package progress

import (
	"strings"
	"testing"
	"time"

	"coracle/pkg/dockerfile"
)

var begin = time.Unix(1000, 0)

func after(seconds float64) time.Time {
	return begin.Add(time.Duration(seconds * float64(time.Second)))
}

func TestPlain(t *testing.T) {
	var out strings.Builder
	p := newPlain(&out)
	for _, e := range []dockerfile.Event{
		{Step: 1, Name: "[internal] load .dockerignore", Kind: dockerfile.Announced, Time: after(0)},
		{Step: 1, Kind: dockerfile.Started, Time: after(0)},
		{Step: 1, Kind: dockerfile.Status, Text: "transferring context: 2B done", Time: after(0)},
		{Step: 1, Kind: dockerfile.Done, Time: after(0.04)},
		{Step: 2, Name: "[1/3] FROM x", Kind: dockerfile.Announced, Time: after(1)},
		{Step: 2, Kind: dockerfile.Cached, Time: after(1)},
		{Step: 3, Name: "[2/3] RUN a", Kind: dockerfile.Announced, Time: after(1)},
		{Step: 4, Name: "[b 1/1] RUN b", Kind: dockerfile.Announced, Time: after(1)},
		{Step: 3, Kind: dockerfile.Started, Time: after(1)},
		{Step: 4, Kind: dockerfile.Started, Time: after(2)},
		{Step: 3, Kind: dockerfile.Output, Data: []byte("one\r\ntw"), Time: after(2)},
		{Step: 3, Kind: dockerfile.Output, Data: []byte("o\nthree"), Time: after(12.3456)},
		{Step: 3, Kind: dockerfile.Failed, Text: "exit code: 1", Time: after(13)},
		{Step: 4, Kind: dockerfile.Canceled, Time: after(13)},
	} {
		p.Event(e)
	}
	p.Close()
	want := `#1 [internal] load .dockerignore
#1 transferring context: 2B done
#1 DONE 0.0s

#2 [1/3] FROM x
#2 CACHED

#3 [2/3] RUN a

#4 [b 1/1] RUN b

#3 [2/3] RUN a
#3 1.000 one
#3 11.346 two
#3 12.000 three
#3 ERROR: exit code: 1

#4 [b 1/1] RUN b
#4 CANCELED
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	if got := strings.Join(p.Tail(3), "|"); got != "one|two|three" {
		t.Errorf("tail is %q", got)
	}
}

func TestPicture(t *testing.T) {
	p := &picture{begun: time.Now()}
	for _, e := range []dockerfile.Event{
		{Step: 1, Name: "[a 1/2] FROM x", Kind: dockerfile.Cached, Time: after(0)},
		{Step: 2, Name: "[a 2/2] RUN a", Kind: dockerfile.Started, Time: after(0)},
		{Step: 3, Name: "[b 1/1] RUN b", Kind: dockerfile.Started, Time: after(0)},
		{Step: 4, Name: "[c 1/1] COPY", Kind: dockerfile.Announced, Time: after(0)},
		{Step: 2, Kind: dockerfile.Failed, Text: "x", Time: after(1.5)},
		{Step: 3, Kind: dockerfile.Canceled, Time: after(2)},
		{Step: 4, Kind: dockerfile.Canceled, Time: after(2)},
	} {
		p.Event(e)
	}
	want := []string{"[+] Building 0.0s (4/4) FINISHED", " => CACHED [a 1/2] FROM x\t0.0s", " => ERROR [a 2/2] RUN a\t1.5s", " => CANCELED [b 1/1] RUN b\t2.0s", " => CANCELED [c 1/1] COPY\t0.0s"}
	if got := p.lines(true); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFit(t *testing.T) {
	tests := []struct {
		line  string
		width int
		want  string
	}{
		{" => x\t0.1s", 20, " => x          0.1s"},
		{" => a longer one\t0.1s", 20, " => a longe... 0.1s"},
		{" => no time at all here", 16, " => no time ..."},
		{" => 漢字漢字漢字\t0.1s", 20, " => 漢字漢...  0.1s"},
		{"\x1b[2Jred\x07", 20, "[2Jred"},
		{"tab\tis a time", 4, ""},
		{"abc\t1s", 5, "... 1s"[2:]},
		{"", 10, ""},
	}
	for _, tt := range tests {
		got := fit(tt.line, tt.width)
		if got != tt.want {
			t.Errorf("%q in %d: got %q, want %q", tt.line, tt.width, got, tt.want)
		}
		if n := cells([]rune(got)); n >= tt.width {
			t.Errorf("%q takes %d of %d", got, n, tt.width)
		}
	}
	for width := range 30 {
		for _, l := range []string{"text\t1.0s", "漢字\t1.0s", "only text"} {
			if n := cells([]rune(fit(l, width))); n > max(width-1, 0) {
				t.Errorf("%q in %d takes %d", l, width, n)
			}
		}
	}
}
