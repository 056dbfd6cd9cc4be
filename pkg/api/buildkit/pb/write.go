// SPDX-License-Identifier: Apache-2.0

package pb

import (
	"encoding/binary"
	"maps"
	"slices"
	"time"
)

// Types of fields on the wire.
const (
	varint  = 0
	fixed64 = 1
	bytes   = 2
	fixed32 = 5
)

// Message is one that is being written.
type Message struct{ b []byte }

// Bytes is what has been written.
func (m *Message) Bytes() []byte { return m.b }

// Encode is what f writes.
func Encode(f func(*Message)) []byte {
	var m Message
	f(&m)
	return m.b
}

func (m *Message) tag(field, kind int) {
	m.b = binary.AppendUvarint(m.b, uint64(field)<<3|uint64(kind))
}

// Number writes an integer of any kind but sint and fixed; 0 is left out.
func (m *Message) Number(field int, n int64) {
	if n != 0 {
		m.tag(field, varint)
		m.b = binary.AppendUvarint(m.b, uint64(n))
	}
}

// Flag writes a bool; false is left out.
func (m *Message) Flag(field int, on bool) {
	if on {
		m.Number(field, 1)
	}
}

// Text writes a string; an empty one is left out.
func (m *Message) Text(field int, s string) {
	if s != "" {
		m.Element(field, []byte(s))
	}
}

// Data writes bytes; none are left out.
func (m *Message) Data(field int, b []byte) {
	if len(b) > 0 {
		m.Element(field, b)
	}
}

// Element writes bytes, or one element of a list of texts, even if it is empty.
func (m *Message) Element(field int, b []byte) {
	m.tag(field, bytes)
	m.b = binary.AppendUvarint(m.b, uint64(len(b)))
	m.b = append(m.b, b...)
}

// Message writes a message in the message, even if it is empty.
func (m *Message) Message(field int, f func(*Message)) { m.Element(field, Encode(f)) }

// Table writes a map of texts, by its keys.
func (m *Message) Table(field int, t map[string]string) {
	for _, k := range slices.Sorted(maps.Keys(t)) {
		m.Message(field, func(m *Message) {
			m.Text(1, k)
			m.Text(2, t[k])
		})
	}
}

// Time writes a google.protobuf.Timestamp; the zero time is left out.
func (m *Message) Time(field int, t time.Time) {
	if !t.IsZero() {
		m.Message(field, func(m *Message) {
			m.Number(1, t.Unix())
			m.Number(2, int64(t.Nanosecond()))
		})
	}
}
