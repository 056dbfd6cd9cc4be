// SPDX-License-Identifier: Apache-2.0

package control

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

func TestParseDetachKeys(t *testing.T) {
	for s, want := range map[string]string{
		"ctrl-p,ctrl-q": "\x10\x11", "a": "a", "ctrl-@,ctrl-[": "\x00\x1b", `ctrl-\,ctrl-],ctrl-^,ctrl-_`: "\x1c\x1d\x1e\x1f", "DEL,x": "\x7fx", "ctrl-a,b": "\x01b",
	} {
		if got, err := ParseDetachKeys(s); err != nil || string(got) != want {
			t.Errorf("%q: %q, %v; want %q", s, got, err, want)
		}
	}
	for s, bad := range map[string]string{"ctrl-": "ctrl-", "ctrl-aa": "ctrl-aa", "a,,b": "", "ab": "ab", "ctrl-A": "ctrl-A", "ctrl-1": "ctrl-1"} {
		_, err := ParseDetachKeys(s)
		wants(t, s, err, "invalid detach keys ("+s+"): Unknown character: '"+bad+"'")
	}
}

func TestDetachKeysInTheInput(t *testing.T) {
	keys := []byte("\x10\x11")
	for in, want := range map[string]struct {
		out    string
		detach bool
	}{
		"text": {"text", false}, "a\x10\x11b": {"a", true}, "\x10x\x10\x10\x11": {"\x10x\x10", true}, "end\x10": {"end\x10", false}, "\x11\x10": {"\x11\x10", false},
	} {
		for _, size := range []int{1, 100} { // however the bytes arrive
			var out bytes.Buffer
			detach := CopyInput(&out, &pieces{[]byte(in), size}, true, keys)
			if out.String() != want.out || detach != want.detach {
				t.Errorf("%q by %d: %q, %v; want %q, %v", in, size, out.String(), detach, want.out, want.detach)
			}
		}
	}
}

func FuzzParseDetachKeys(f *testing.F) {
	f.Add("ctrl-p,ctrl-q")
	f.Fuzz(func(t *testing.T, s string) {
		keys, err := ParseDetachKeys(s)
		if err == nil && len(keys) != strings.Count(s, ",")+1 {
			t.Errorf("%q: %d keys", s, len(keys))
		}
	})
}

func FuzzCopyInput(f *testing.F) {
	f.Add([]byte("abc\x10\x10\x11x"), 2)
	f.Fuzz(func(t *testing.T, in []byte, size int) {
		keys := []byte("\x10\x11")
		var out bytes.Buffer
		detach := CopyInput(&out, &pieces{bytes.Clone(in), max(1, size%9)}, true, keys)
		before, _, found := bytes.Cut(in, keys)
		if detach != found || !bytes.Equal(out.Bytes(), before) {
			t.Errorf("%q: %q, %v; want %q, %v", in, out.Bytes(), detach, before, found)
		}
	})
}

// pieces is a reader of so many bytes at a time.
type pieces struct {
	data []byte
	size int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.data) == 0 {
		return 0, fmt.Errorf("the end")
	}
	n := copy(b, p.data[:min(p.size, len(p.data))])
	p.data = p.data[n:]
	return n, nil
}

// wants compares an error with the words it should have; none for none.
func wants(t *testing.T, what string, err error, words string) {
	t.Helper()
	if words == "" && err != nil || words != "" && (err == nil || !strings.Contains(err.Error(), words)) {
		t.Errorf("%s: %v; want %q", what, err, words)
	}
}
