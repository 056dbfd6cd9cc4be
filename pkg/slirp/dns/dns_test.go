// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// conf is a resolv.conf with a text.
func conf(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// question is a message that asks for a name, of a number and type.
func question(number uint16, name string, kind byte) []byte {
	q := []byte{byte(number >> 8), byte(number), 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}
	for label := range strings.SplitSeq(name, ".") {
		q = append(append(q, byte(len(label))), label...)
	}
	return append(q, 0, 0, kind, 0, 1)
}

// reply makes an answer of a question, with a code and more behind it.
func reply(q []byte, rcode byte, more string) []byte {
	a := append(bytes.Clone(q), more...)
	a[2] |= responseBit
	a[3] = a[3]&0xf0 | rcode
	return a
}

// book is names that are known: one, and only it.
type book struct {
	name  string
	empty bool
	only  []bool // as it was asked
}

func (b *book) Any() bool { return !b.empty }

func (b *book) Answer(q []byte, only bool) []byte {
	b.only = append(b.only, only)
	if bytes.Contains(q, []byte(b.name)) {
		return reply(q, 0, "from the book")
	}
	if only {
		return reply(q, 3, "") // no such name
	}
	return nil
}

func TestServers(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "127.0.0.1:53"},
		{"one", "nameserver 192.0.2.1\n", "192.0.2.1:53"},
		{"no end of line", "nameserver 192.0.2.1", "192.0.2.1:53"},
		{"in order, with other words", "search a.example\nnameserver 192.0.2.2\noptions ndots:3\nnameserver 192.0.2.1 \n", "192.0.2.2:53 192.0.2.1:53"},
		{"three at most", "nameserver 1.1.1.1\nnameserver 2.2.2.2\nnameserver 3.3.3.3\nnameserver 4.4.4.4\n", "1.1.1.1:53 2.2.2.2:53 3.3.3.3:53"},
		{"IPv6, with a zone", "nameserver 2001:db8::53\nnameserver fe80::1%eth0\n", "[2001:db8::53]:53 [fe80::1%eth0]:53"},
		{"what is no address counts for nothing", "nameserver\nnameserver x\nnameserver 300.1.1.1\nnameserver 192.0.2.9\n", "192.0.2.9:53"},
		{"comments", "# nameserver 1.1.1.1\n; nameserver 2.2.2.2\n#nameserver 3.3.3.3\n", "127.0.0.1:53"},
		{"another word", "nameservers 1.1.1.1\nNAMESERVER 2.2.2.2\n", "127.0.0.1:53"},
		{"tabs and a remark", "\tnameserver\t192.0.2.1\t# office\n", "192.0.2.1:53"},
	} {
		r := NewResolver(t.Context(), conf(t, c.text), nil, false)
		if got := strings.Join(r.servers(), " "); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	r := NewResolver(t.Context(), filepath.Join(t.TempDir(), "none"), nil, false)
	if got := r.servers(); !slices.Equal(got, []string{"127.0.0.1:53"}) {
		t.Errorf("without a file: %v", got)
	}
}

// TestServersChange: the file is read for every question.
func TestServersChange(t *testing.T) {
	path := conf(t, "nameserver 192.0.2.1\n")
	r := NewResolver(t.Context(), path, nil, false)
	first := r.servers()
	if err := os.WriteFile(path, []byte("nameserver 192.0.2.2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if second := r.servers(); first[0] != "192.0.2.1:53" || second[0] != "192.0.2.2:53" {
		t.Errorf("%v, then %v", first, second)
	}
}

func TestAnswers(t *testing.T) {
	q := question(0x1234, "a.example", 1)
	other := bytes.Clone(q)
	other[0] ^= 1
	second := bytes.Clone(q)
	second[1] ^= 0x80
	for name, c := range map[string]struct {
		message []byte
		want    bool
	}{
		"an answer":             {reply(q, 0, "x"), true},
		"a failure":             {reply(q, rcodeServFail, ""), true},
		"a header alone":        {reply(q, 0, "")[:headerSize], true},
		"the question itself":   {q, false},
		"another number":        {reply(other, 0, "x"), false},
		"another second byte":   {reply(second, 0, "x"), false},
		"one byte is missing":   {reply(q, 0, "")[:headerSize-1], false},
		"nothing":               {nil, false},
		"a number without more": {q[:2], false},
	} {
		if got := answers(c.message, q); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if answers(reply(q, 0, ""), q[:3]) {
		t.Error("an answer to what was no question")
	}
}

// TestFailure: who hears that there is no answer hears it of the own question, as one
// of a server that recurses; what is no question is not answered, or two resolvers
// could go on for ever.
func TestFailure(t *testing.T) {
	q := question(7, "b.example", 28)
	asked := bytes.Clone(q)
	a := failure(q)
	if !answers(a, q) || a[3]&0xf != rcodeServFail || a[3]&recursionBit == 0 || a[2]&1 == 0 || !bytes.Equal(a[4:], q[4:]) {
		t.Errorf("failure of\n%x is\n%x", q, a)
	}
	if !bytes.Equal(asked, q) {
		t.Error("the question was changed")
	}
	for name, m := range map[string][]byte{"an answer": reply(q, 0, ""), "a failure": a, "eleven bytes": q[:11], "nothing": nil} {
		if got := failure(m); got != nil {
			t.Errorf("%s is answered: %x", name, got)
		}
	}
}

func TestKnowsNames(t *testing.T) {
	for name, c := range map[string]struct {
		names Names
		want  bool
	}{"none": {nil, false}, "an empty book": {&book{empty: true}, false}, "a book": {&book{}, true}} {
		if got := NewResolver(t.Context(), "", c.names, false).KnowsNames(); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestInternal: nobody outside is asked, not even for a moment, and names are told
// that theirs is the last word.
func TestInternal(t *testing.T) {
	b := &book{name: "db"}
	r := NewResolver(t.Context(), conf(t, "nameserver 127.0.0.1\n"), b, true)
	if got := r.Ask(question(1, "db", 1)); !bytes.HasSuffix(got, []byte("from the book")) {
		t.Errorf("a name of the book: %q", got)
	}
	if got := r.Ask(question(2, "example.com", 1)); len(got) < headerSize || got[3]&0xf != 3 {
		t.Errorf("another name: %q", got)
	}
	if !slices.Equal(b.only, []bool{true, true}) {
		t.Errorf("asked for the last word: %v", b.only)
	}
	if _, err := r.Dial(); err != ErrInternal {
		t.Errorf("a connection to a server: %v", err)
	}
	r = NewResolver(t.Context(), conf(t, "nameserver 127.0.0.1\n"), nil, true)
	if got := r.Ask(question(3, "example.com", 1)); len(got) < headerSize || got[3]&0xf != rcodeServFail {
		t.Errorf("without a book: %q", got)
	}
}
