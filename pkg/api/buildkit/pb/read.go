// SPDX-License-Identifier: Apache-2.0

package pb

import (
	"encoding/binary"
	"errors"
	"io"
)

// Field is one of a message that came. A value of another type than the reader
// expects reads as that type's zero.
type Field struct {
	Number int
	n      uint64
	data   []byte
}

// Int is the value of an integer.
func (f Field) Int() int64 { return int64(f.n) }

// Flag is the value of a bool.
func (f Field) Flag() bool { return f.n != 0 }

// Text is the value of a string.
func (f Field) Text() string { return string(f.data) }

// Data is the value of bytes or a message, which lie in the message that was read.
func (f Field) Data() []byte { return f.data }

var errFormat = errors.New("read message: it is no protocol buffer")

// maxField is the largest number that a field can have.
const maxField = 1<<29 - 1

// Read tells f of the fields of a message, in their order. It ends with f's first
// error, or with one of its own for what is no message.
func Read(b []byte, f func(Field) error) error {
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 || tag>>3 == 0 || tag>>3 > maxField {
			return errFormat
		}
		b = b[n:]
		field, size, err := value(int(tag&7), b)
		if err != nil {
			return err
		}
		b, field.Number = b[size:], int(tag>>3)
		if err := f(field); err != nil {
			return err
		}
	}
	return nil
}

// value reads what follows a tag, and how many bytes that are.
func value(kind int, b []byte) (f Field, size int, err error) {
	switch kind {
	case varint:
		f.n, size = binary.Uvarint(b)
		if size <= 0 {
			return f, 0, errFormat
		}
		return f, size, nil
	case fixed64:
		size = 8
	case fixed32:
		size = 4
	case bytes:
		length, n := binary.Uvarint(b)
		if n <= 0 {
			return f, 0, errFormat
		}
		if length > uint64(len(b)-n) {
			return f, 0, io.ErrUnexpectedEOF
		}
		f.data = b[n : n+int(length) : n+int(length)]
		return f, n + int(length), nil
	default: // groups have been out of use since before these messages were made
		return f, 0, errFormat
	}
	if len(b) < size {
		return f, 0, io.ErrUnexpectedEOF
	}
	return f, size, nil
}

// Entry reads one entry of a map of texts into t, which it makes.
func (f Field) Entry(t *map[string]string) error {
	var k, v string
	err := Read(f.data, func(f Field) error {
		switch f.Number {
		case 1:
			k = f.Text()
		case 2:
			v = f.Text()
		}
		return nil
	})
	if err != nil {
		return err
	}
	if *t == nil {
		*t = map[string]string{}
	}
	(*t)[k] = v
	return nil
}
