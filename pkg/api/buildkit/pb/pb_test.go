// SPDX-License-Identifier: Apache-2.0

package pb

import (
	"encoding/hex"
	"maps"
	"testing"
	"time"
)

// TestWrite compares with what protoc's library writes.
func TestWrite(t *testing.T) {
	for _, c := range []struct {
		name, want string
		write      func(*Message)
	}{
		{"number", "089601", func(m *Message) { m.Number(1, 150) }},
		{"negative", "08feffffffffffffffff01", func(m *Message) { m.Number(1, -2) }},
		{"zeroes", "", func(m *Message) {
			m.Number(1, 0)
			m.Text(2, "")
			m.Data(3, nil)
			m.Flag(4, false)
			m.Time(5, time.Time{})
		}},
		{"flag", "2001", func(m *Message) { m.Flag(4, true) }},
		{"text", "120774657374696e67", func(m *Message) { m.Text(2, "testing") }},
		{"message", "1a03089601", func(m *Message) { m.Message(3, func(m *Message) { m.Number(1, 150) }) }},
		{"empty message", "1a00", func(m *Message) { m.Message(3, func(*Message) {}) }},
		{"table", "0a060a01611201310a060a0162120132", func(m *Message) { m.Table(1, map[string]string{"b": "2", "a": "1"}) }},
		{"high number", "8a0100", func(m *Message) { m.Element(17, nil) }},
		{"time", "0a05080110e807", func(m *Message) { m.Time(1, time.Unix(1, 1000)) }},
	} {
		if got := hex.EncodeToString(Encode(c.write)); got != c.want {
			t.Errorf("%s: %s, not %s", c.name, got, c.want)
		}
	}
}

func TestRead(t *testing.T) {
	sent := Encode(func(m *Message) {
		m.Number(1, -7)
		m.Text(2, "text")
		m.Flag(3, true)
		m.Table(4, map[string]string{"k": "v", "empty": ""})
	})
	sent = append(sent, 5<<3|fixed64, 1, 2, 3, 4, 5, 6, 7, 8, 6<<3|fixed32, 1, 2, 3, 4) // passed over
	var n int64
	var text string
	var on bool
	var table map[string]string
	err := Read(sent, func(f Field) error {
		switch f.Number {
		case 1:
			n = f.Int()
		case 2:
			text = f.Text()
		case 3:
			on = f.Flag()
		case 4:
			return f.Entry(&table)
		}
		return nil
	})
	if err != nil || n != -7 || text != "text" || !on || !maps.Equal(table, map[string]string{"k": "v", "empty": ""}) {
		t.Errorf("%v %q %v %v, %v", n, text, on, table, err)
	}
}

func TestReadRefuses(t *testing.T) {
	for _, s := range []string{"08", "0880", "0aff", "0a05ab", "00", "0b", "0901", "0d01", "0affffffffffffffffff01", "ffffffffffffffffffff01"} {
		b, _ := hex.DecodeString(s)
		if err := Read(b, func(Field) error { return nil }); err == nil {
			t.Errorf("%s is read", s)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(Encode(func(m *Message) { m.Number(1, 9); m.Text(2, "x"); m.Table(3, map[string]string{"a": "b"}) }))
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = Read(b, func(f Field) error {
			if f.Number < 1 || f.Number > maxField || len(f.Data()) > len(b) {
				t.Fatal("a field that cannot be")
			}
			var m map[string]string
			_ = f.Entry(&m)
			return nil
		})
	})
}
